/** Reads what other processes have promised since. */
import type { Daemon } from './daemon';
import { NAMESPACES, textIn } from './facts';
import { isGone } from './faults';
import type { Machine } from './machines';
import { readPlace, type PlaceRecord } from '../tracked';

/**
 * The VMs that others may have placed on some hosts, with the places that are on record there now; the others as they are known.
 *
 * @param own UUIDs of VMs whose places are this process's.
 * @throws ConnectionError, LibvirtError
 */
export async function readOthers(
  machines: readonly Machine[],
  own: ReadonlySet<string>,
  hosts: ReadonlySet<string>,
  daemonOf: (host: string) => Promise<Daemon>,
  signal: AbortSignal | undefined,
): Promise<Machine[]> {
  const read: Machine[] = [];
  for (const machine of machines) {
    // What only one host has is not placed.
    const isRead = !own.has(machine.uuid) && machine.on.length > 1 && !machine.at;
    read.push(isRead ? await readPlaces(machine, hosts, daemonOf, signal) : machine);
  }
  return read;
}

async function readPlaces(
  machine: Machine,
  hosts: ReadonlySet<string>,
  daemonOf: (host: string) => Promise<Daemon>,
  signal: AbortSignal | undefined,
): Promise<Machine> {
  const places: PlaceRecord[] = [];
  for (const { host, facts } of machine.on.filter((each) => hosts.has(each.host))) {
    try {
      const daemon = await daemonOf(host);
      const text = textIn(await daemon.metadata(facts.domain, NAMESPACES.place, signal));
      const found = readPlace(text, machine.uuid);
      if (found) places.push(found);
    } catch (error: unknown) {
      if (!isGone(error)) throw error;
    }
  }
  // Of several records the one counts that takes room here: the others may be from before, or of one that is being written.
  const here = places.find(({ host }) => host !== undefined && hosts.has(host));
  const place = here ?? places[0] ?? machine.place;
  return { ...machine, place };
}
