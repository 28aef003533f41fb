/**
 * The state that a run hands over when it continues as new: packed and shortened until it fits (SIZE-1). Pure.
 *
 * CARRIED-1: the next execution knows the ids of the activities that are open, and never uses one of them again.
 */
import { own } from '../api/own';
import { fitJson, fitText } from '../api/text';
import { machinesOf, type Plan } from '../contract';
import { BUDGET, SHORTER, withShortNotes } from './size';
import { membersOf, type Claims, type MemberState, type Run } from './state';

/** A run whose records by name are columns in the order of its plan: names are what takes most of the room. */
interface PackedRun extends Omit<
  Run,
  'members' | 'placements' | 'corrections' | 'activityIds' | 'claims' | 'unsure' | 'roomless'
> {
  packed: {
    members: Column<MemberState>;
    placements: Column<Run['placements'][string]>;
    corrections: Column<number[]>;
    activityIds: Record<string, number>;
    claims?: Omit<Claims, 'vms' | 'platforms'> & { vms: Column<string>; platforms?: Column<string> };
    unsure?: Column<true>;
    roomless?: Column<string>;
  };
}

/** A record without its keys: a value for each known key, in order, and the rest with its keys. */
interface Column<T> {
  values: (T | null)[];
  rest?: Record<string, T>;
}

/** State as an execution hands it to the next one. */
export type CarriedRun = Run | PackedRun;

/**
 * The state of a run, small enough to continue as new with. Undefined if no state that would do is small enough: then the run must go on in
 * its present history.
 */
export function carried(run: Run): CarriedRun | undefined {
  const start: CarriedRun = withoutUsedIds(run);
  const fitted = fitJson<CarriedRun>(start, BUDGET.carried, [
    (value) => withShortTexts(value as Run, SHORTER[0] ?? 0),
    (value) => pack(value as Run),
    ...SHORTER.slice(1).map((bytes) => (value: CarriedRun) => pack(withShortTexts(unpacked(value), bytes))),
    (value) => pack(withoutSecondViews(unpacked(value))),
    (value) => pack(withoutViews(unpacked(value))),
    // Placement is sticky: asking again brings the same places.
    (value) => pack({ ...unpacked(value), placements: {}, words: [] }),
  ]);
  return fitJson<CarriedRun | undefined>(fitted, BUDGET.carried, [() => undefined]);
}

/** The state that {@link carried} has made. */
export function unpacked(run: CarriedRun): Run {
  if (!('packed' in run)) return run;
  const { packed, ...rest } = run;
  const { keys, names } = columnsOf(rest.plan);
  const { claims, unsure, roomless } = packed;
  const activityIds = { ...packed.activityIds };
  return {
    ...rest,
    members: withIds(record(packed.members, keys), activityIds),
    placements: record(packed.placements, names),
    corrections: record(packed.corrections, keys),
    activityIds,
    ...(claims && { claims: unpackClaims(claims, names) }),
    ...(unsure && { unsure: record(unsure, names) }),
    ...(roomless && { roomless: record(roomless, names) }),
  };
}

function pack({
  members,
  placements,
  corrections,
  activityIds,
  claims,
  unsure,
  roomless,
  ...rest
}: Run): PackedRun {
  const { keys, names } = columnsOf(rest.plan);
  const short = withoutIds(members);
  return {
    ...rest,
    packed: {
      members: column(short, keys),
      placements: column(placements, names),
      corrections: column(corrections, keys),
      activityIds: withoutMembersIds(activityIds, short),
      ...(claims && { claims: packClaims(claims, names) }),
      ...(unsure && { unsure: column(unsure, names) }),
      ...(roomless && { roomless: column(roomless, names) }),
    },
  };
}

function packClaims(
  { vms, platforms, ...claims }: Claims,
  names: readonly string[],
): NonNullable<PackedRun['packed']['claims']> {
  return { ...claims, vms: column(vms, names), ...(platforms && { platforms: column(platforms, names) }) };
}

function unpackClaims(
  { vms, platforms, ...claims }: NonNullable<PackedRun['packed']['claims']>,
  names: readonly string[],
): Claims {
  return { ...claims, vms: record(vms, names), ...(platforms && { platforms: record(platforms, names) }) };
}

/** Stands for the name of its member in the id of an activity. */
const MEMBER = '*';

/** Members whose activity ids leave the member out: `power-on/*` and `power-on/*` + `/2`. */
function withoutIds(members: Run['members']): Run['members'] {
  return mapOperations(members, (key, id) => {
    const [, verb, used = ''] = /^([a-z-]+)\/.*?(\/\d+)?$/.exec(id) ?? [];
    return verb !== undefined && id === `${verb}/${key}${used}` ? `${verb}/${MEMBER}${used}` : id;
  });
}

/** What {@link withoutIds} left out; notes the ids that are in use. */
function withIds(members: Run['members'], activityIds: Record<string, number>): Run['members'] {
  return mapOperations(members, (key, id) => {
    const [, verb, used] = /^([a-z-]+)\/\*(?:\/(\d+))?$/.exec(id) ?? [];
    if (verb === undefined) return id;
    activityIds[`${verb}/${key}`] = used === undefined ? 1 : Number(used);
    return `${verb}/${key}${used === undefined ? '' : `/${used}`}`;
  });
}

function mapOperations(members: Run['members'], map: (key: string, id: string) => string): Run['members'] {
  const mapped: Run['members'] = {};
  for (const [key, state] of Object.entries(members)) {
    const { operation } = state;
    mapped[key] = operation
      ? { ...state, operation: { ...operation, activityId: map(key, operation.activityId) } }
      : state;
  }
  return mapped;
}

/** The used ids that {@link withIds} does not restore. */
function withoutMembersIds(
  activityIds: Record<string, number>,
  members: Run['members'],
): Record<string, number> {
  const restored: Record<string, number> = {};
  withIds(members, restored);
  return Object.fromEntries(Object.entries(activityIds).filter(([id]) => !Object.hasOwn(restored, id)));
}

function columnsOf(plan: Plan): { keys: string[]; names: string[] } {
  return {
    keys: membersOf(plan).map(({ key }) => key),
    names: machinesOf(plan).map(({ name }) => name),
  };
}

function column<T>(values: Readonly<Record<string, T>>, keys: readonly string[]): Column<T> {
  const rest: Record<string, T> = { ...values };
  const found = keys.map((key) => {
    if (!Object.hasOwn(rest, key)) return null;
    const value = own(rest, key) as T;
    delete rest[key];
    return value;
  });
  return { values: found, ...(Object.keys(rest).length > 0 && { rest }) };
}

function record<T>({ values, rest }: Column<T>, keys: readonly string[]): Record<string, T> {
  const found: Record<string, T> = { ...rest };
  for (const [index, key] of keys.entries()) {
    const value = values[index];
    if (value !== null && value !== undefined) found[key] = value;
  }
  return found;
}

/** An execution has activity ids of its own: only those of open operations are used in the next one. */
function withoutUsedIds(run: Run): Run {
  const open = [
    run.placement.activityId,
    run.claims?.release?.activityId,
    run.endSearch?.activityId,
    ...Object.values(run.members).map(({ operation }) => operation?.activityId),
  ];
  const activityIds: Record<string, number> = {};
  for (const id of open) {
    const [, base, used] = /^(.*?)(?:\/(\d+))?$/.exec(id ?? '') ?? [];
    if (base === undefined || base === '') continue;
    activityIds[base] = used === undefined ? 1 : Number(used);
    // A name may end like a number.
    if (id !== undefined && used !== undefined) activityIds[id] = 1;
  }
  return { ...run, activityIds };
}

function withShortTexts(run: Run, bytes: number): Run {
  const members: Run['members'] = {};
  for (const [key, state] of Object.entries(run.members)) members[key] = withShortState(state, bytes);
  const { attempts } = run.placement;
  return {
    ...run,
    members,
    placements: withShortNotes(run.placements, bytes),
    ...(run.roomless && { roomless: withShortReasons(run.roomless, bytes) }),
    placement: {
      ...run.placement,
      attempts: attempts.slice(-3).map((each) => ({ ...each, message: fitText(each.message, bytes) })),
    },
    words: bytes < 128 ? run.words.slice(-10) : run.words,
  };
}

function withShortReasons(roomless: Readonly<Record<string, string>>, bytes: number): Record<string, string> {
  return Object.fromEntries(Object.entries(roomless).map(([name, why]) => [name, fitText(why, bytes)]));
}

function withShortState(state: MemberState, bytes: number): MemberState {
  const short: MemberState = { ...state };
  if (state.parked) {
    short.parked = { ...state.parked, message: fitText(state.parked.message, bytes) };
  }
  if (state.leftAlone)
    short.leftAlone = { ...state.leftAlone, message: fitText(state.leftAlone.message, bytes) };
  if (state.exceptions !== undefined) short.exceptions = fitText(state.exceptions, bytes);
  if (state.word) {
    const { actor, reason } = state.word;
    short.word = { ...state.word, actor: fitText(actor, bytes), reason: fitText(reason, bytes) };
  }
  if (state.operation) {
    // The number of the last attempt is what the budget is counted by; its text is in the history.
    const attempts = state.operation.attempts.slice(-1);
    const { paused } = state.operation;
    short.operation = {
      ...state.operation,
      ...(paused && {
        paused: { ...paused, by: fitText(paused.by, bytes), reason: fitText(paused.reason, bytes) },
      }),
      attempts: attempts.map((each) => ({ ...each, message: fitText(each.message, bytes) })),
    };
  }
  return short;
}

/** Without what the plan says was observed, where the run knows it itself. */
function withoutSecondViews(run: Run): Run {
  const tiers = run.plan.tiers.map((tier) => ({
    ...tier,
    members: tier.members.map((member) => {
      const { observed: _observed, ...rest } = member;
      return member.plan ? member : rest;
    }),
  }));
  const { corrections: _corrections, ...plan } = run.plan;
  return { ...run, plan: { ...plan, tiers } };
}

/** Without anything that was observed: the platform is asked before a member is touched. */
function withoutViews(run: Run): Run {
  const members: Run['members'] = {};
  for (const [key, { observed, ...state }] of Object.entries(run.members)) {
    const lost = observed && !state.operation && state.reachedAt === undefined;
    members[key] = lost ? { ...state, uncertain: true } : state;
  }
  return { ...run, members, corrections: {} };
}
