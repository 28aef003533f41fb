/** The order in which a host starts VMs with itself. Pure. */
import type { ExistingOrder } from '../../existing';
import { child, childrenOf, managedObject, textOf, type XmlElement } from '../soap';
import { durationIn, stopOf, tiersFrom, type Entry } from './tiers';

/** Position of the VMs that start after all others, in any order. */
const LAST = Number.MAX_SAFE_INTEGER;
/** Milliseconds, where a host does not say otherwise. */
const DEFAULT_DELAY = 120_000;

/**
 * The order of a host, from its `config.autoStart`; undefined where it starts nothing.
 *
 * @param nameOf name of a VM by its id.
 */
export function autostartOrder(
  host: string,
  config: XmlElement | undefined,
  nameOf: (vm: string) => string,
): ExistingOrder | undefined {
  const defaults = child(config, 'defaults');
  if (textOf(defaults, 'enabled') !== 'true') return undefined;
  const started = childrenOf(config, 'powerInfo').filter(
    (info) => textOf(info, 'startAction')?.toLowerCase() !== 'none',
  );
  const notes: string[] = [];
  const entries = started.flatMap((info) => entryOf(info, defaults, nameOf, notes));
  if (entries.length === 0) return undefined;
  const { tiers, notes: more } = tiersFrom(entries);
  const guest = Math.max(0, ...started.map((info) => guestTime(info, defaults)));
  return {
    what: 'autostart of host',
    name: host,
    tiers,
    stop: { inReverse: true, ...(guest > 0 && { guestShutdownTimeout: guest }) },
    notes: [...notes, ...more],
  };
}

function entryOf(
  info: XmlElement,
  defaults: XmlElement | undefined,
  nameOf: (vm: string) => string,
  notes: string[],
): Entry[] {
  const vm = managedObject(child(info, 'key'))?.id;
  if (vm === undefined) return [];
  const { mode, note } = stopOf(stopAction(info, defaults));
  if (note !== undefined) notes.push(`${nameOf(vm)} ${note}`);
  const order = Number(textOf(info, 'startOrder') ?? -1);
  const heartbeat = textOf(info, 'waitForHeartbeat')?.toLowerCase();
  return [
    {
      name: nameOf(vm),
      position: order > 0 ? order : LAST,
      delay: ownOr(info, defaults, 'startDelay'),
      waits: heartbeat === 'yes' || (heartbeat !== 'no' && textOf(defaults, 'waitForHeartbeat') === 'true'),
      member: { vm, ...(mode && { powerOffMode: mode }) },
    },
  ];
}

function guestTime(info: XmlElement, defaults: XmlElement | undefined): number {
  return stopAction(info, defaults).toLowerCase() === 'guestshutdown'
    ? ownOr(info, defaults, 'stopDelay')
    : 0;
}

function stopAction(info: XmlElement, defaults: XmlElement | undefined): string {
  const own = textOf(info, 'stopAction') ?? '';
  return /^(?:systemDefault)?$/i.test(own) ? (textOf(defaults, 'stopAction') ?? '') : own;
}

/** Milliseconds of a VM; -1 stands for what the host has. */
function ownOr(info: XmlElement, defaults: XmlElement | undefined, name: 'startDelay' | 'stopDelay'): number {
  const own = durationIn(info, name);
  return own !== undefined && own >= 0 ? own : (durationIn(defaults, name) ?? DEFAULT_DELAY);
}
