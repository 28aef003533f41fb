/** The places of VMs on the hosts of a fleet. */
import type { Solve } from '../../placement';
import { Places, type PlaceRecord } from '../tracked';
import type { Daemon, HostSize } from './daemon';
import { placementOf, type Machine } from './machines';
import type { Observations } from './observations';
import { readOthers } from './place-review';
import { candidateOf, hostsOf, standingOn } from './placing';

/** What places ask of a fleet. */
export interface PlacedFleet {
  readonly observations: Observations;
  daemon(host: string): Promise<Daemon>;
  fetch(uuid: string, signal: AbortSignal | undefined): Promise<Machine | undefined>;
  sizes(): Map<string, HostSize>;
  writePlace(
    machine: Machine,
    place: Omit<PlaceRecord, 'hosts' | 'at'>,
    signal: AbortSignal | undefined,
  ): Promise<void>;
}

/** Only a VM that is off, and that several hosts have, can be moved. */
export function placesOf(fleet: PlacedFleet, solve: Solve): Places<Machine> {
  const { bindings, machines } = fleet.observations;
  return new Places({
    solve,
    resolve: (vm) => bindings.resolve(vm),
    fetch: async (vms, signal) => {
      const read = await Promise.all(vms.map((vm) => fleet.fetch(vm, signal)));
      return new Map(read.flatMap((machine) => (machine ? [[machine.uuid, machine] as const] : [])));
    },
    recordOf: ({ place }) => place,
    placementOf,
    isMovable: ({ at, on }) => !at && on.length > 1,
    world: async (asked) => {
      const sizes = fleet.sizes();
      return {
        candidates: asked.map((each) => candidateOf(each, sizes.keys())),
        world: { hosts: hostsOf(sizes), standing: standingOn(machines.vms(), sizes) },
      };
    },
    write: async (machine, place, signal) => {
      await fleet.writePlace(machine, place, signal);
      await fleet.fetch(machine.uuid, signal);
    },
    review: async (own, where, signal) => {
      const known = [...machines.vms()];
      const daemonOf = (host: string): Promise<Daemon> => fleet.daemon(host);
      return standingOn(await readOthers(known, own, where, daemonOf, signal), fleet.sizes());
    },
  });
}
