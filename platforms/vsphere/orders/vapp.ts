/** The start order of a vApp. Pure. */
import type { ExistingOrder } from '../../existing';
import { child, childrenOf, managedObject, textOf, type XmlElement } from '../soap';
import { durationIn, stopOf, tiersFrom, type Entry } from './tiers';

/** A vApp as it was read. */
export interface VappFacts {
  id: string;
  name: string;
  /** `vAppConfig.entityConfig`. */
  entities: XmlElement | undefined;
}

/** vApps within each other that are read. */
const MAX_DEPTH = 16;

/** Orders of the outermost vApps; one in another is a member of that. */
export function vappOrders(vapps: readonly VappFacts[], nameOf: (vm: string) => string): ExistingOrder[] {
  const byId = new Map(vapps.map((vapp) => [vapp.id, vapp]));
  const inner = new Set(vapps.flatMap((vapp) => entriesOf(vapp).map(({ id }) => id)));
  return vapps.filter(({ id }) => !inner.has(id)).map((vapp) => orderOf(vapp, { byId, nameOf, depth: 0 }));
}

interface Context {
  byId: ReadonlyMap<string, VappFacts>;
  nameOf: (vm: string) => string;
  depth: number;
}

function orderOf(vapp: VappFacts, context: Context): ExistingOrder {
  const notes: string[] = [];
  const entries = entriesOf(vapp).flatMap(({ id, config }) => entryOf(id, config, context, notes));
  const { tiers, notes: more } = tiersFrom(entries);
  const guest = Math.max(0, ...entriesOf(vapp).map(({ config }) => guestTime(config)));
  return {
    what: 'vApp',
    name: vapp.name,
    tiers,
    stop: { inReverse: true, ...(guest > 0 && { guestShutdownTimeout: guest }) },
    notes: [...notes, ...more],
  };
}

function entriesOf({ entities }: VappFacts): { id: string; config: XmlElement }[] {
  return childrenOf(entities, 'VAppEntityConfigInfo').flatMap((config) => {
    const key = managedObject(child(config, 'key'));
    return key ? [{ id: key.id, config }] : [];
  });
}

function entryOf(id: string, config: XmlElement, context: Context, notes: string[]): Entry[] {
  const vapp = context.byId.get(id);
  const name = vapp?.name ?? context.nameOf(id);
  if (vapp && context.depth >= MAX_DEPTH) {
    notes.push(`${name} is more than ${MAX_DEPTH} vApps deep, and is left out`);
    return [];
  }
  if (textOf(config, 'startAction')?.toLowerCase() === 'none') {
    notes.push(`${name} is not started with the others, so it is not in this order`);
    return [];
  }
  const { mode, note } = vapp ? {} : stopOf(textOf(config, 'stopAction') ?? '');
  if (note !== undefined) notes.push(`${name} ${note}`);
  const delay = durationIn(config, 'startDelay') ?? 0;
  return [
    {
      name,
      delay,
      position: Number(textOf(config, 'startOrder') ?? 0) || 0,
      // Has no effect for vApps.
      waits: !vapp && textOf(config, 'waitingForGuest') === 'true',
      member: vapp
        ? { order: orderOf(vapp, { ...context, depth: context.depth + 1 }) }
        : { vm: id, ...(mode && { powerOffMode: mode }) },
    },
  ];
}

/** Milliseconds that a guest has to shut down. */
function guestTime(config: XmlElement): number {
  const asks = textOf(config, 'stopAction')?.toLowerCase() === 'guestshutdown';
  return asks ? (durationIn(config, 'stopDelay') ?? 0) : 0;
}
