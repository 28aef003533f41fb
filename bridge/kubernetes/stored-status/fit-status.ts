/**
 * Makes the status of a large group fit into what an API server accepts. Pure.
 *
 * FIT-1: the status never takes more than the bytes that it is given, whatever its members, names and messages are.
 * FIT-2: what people act on is left out last: long messages are cut evenly first, then conditions that are true are left out, then what the
 *     bridge can learn again, and only then members, from the end of the boot order.
 * FIT-3: a status that was made smaller says so in one condition.
 */
import { fitText } from '../../../api';
import type { MemberStatus } from '../../status';
import type { StoredCondition, StoredStatus } from './shape';

/**
 * Bytes that a status may take at first. etcd takes 1.5 MiB for the whole object, in which `spec`, annotations and `managedFields` have to fit
 * too: https://etcd.io/docs/v3.6/dev-guide/limit/
 */
export const STATUS_BYTES = 1_000_000;
/** The smallest budget that is tried. */
export const LEAST_STATUS_BYTES = 60_000;
/** Bytes of each message that are kept as long as there is something else to leave out. */
const SHORTEST = 64;
/** Exceptions of the last run that are kept if there is no room for all. */
const FEW_EXCEPTIONS = 20;
/** Room for the condition of FIT-3. */
const OWN_CONDITION = 700;

type Member = MemberStatus;

/** Bytes of a value as JSON. Faster than the function of the same name in api, which runs without Node. */
function jsonLength(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** The status in at most `bytes` bytes of JSON in UTF-8. */
export function fitStatus(status: StoredStatus, bytes: number): StoredStatus {
  if (jsonLength(status) <= bytes) return status;
  const room = bytes - OWN_CONDITION;
  let smaller = status;
  for (const reduce of REDUCTIONS) {
    smaller = reduce(smaller, room);
    const longest = longestMessage(smaller, room);
    if (longest >= SHORTEST) return withNotice(cutMessages(smaller, longest), status, longest);
  }
  return withNotice(cutMessages(smaller, SHORTEST), status, SHORTEST);
}

type Reduction = (status: StoredStatus, room: number) => StoredStatus;

/** In order: each is applied to the result of the one before. */
const REDUCTIONS: readonly Reduction[] = [
  (status) => status,
  withFewExceptions,
  (status) => withMembers(status, ({ conditions }) => ({ conditions: conditions.filter(isNotTrue) })),
  withoutMemory,
  withFewerMembers,
];

function isNotTrue({ status }: { status: string }): boolean {
  return status !== 'True';
}

function withMembers(status: StoredStatus, change: (member: Member) => Partial<Member>): StoredStatus {
  return { ...status, members: status.members.map((member) => ({ ...member, ...change(member) })) };
}

function withFewExceptions(status: StoredStatus): StoredStatus {
  const { run } = status;
  if (!run?.exceptions) return status;
  return { ...status, run: { ...run, exceptions: run.exceptions.slice(0, FEW_EXCEPTIONS) } };
}

/** A bridge that has forgotten that it sent a plan sends it again. */
function withoutMemory(status: StoredStatus): StoredStatus {
  if (!status.run) return status;
  const { exceptions: _exceptions, ...run } = status.run;
  return { ...status, run: { ...run, memory: {} } };
}

function withFewerMembers(status: StoredStatus, room: number): StoredStatus {
  let used = jsonLength(cutMessages({ ...status, members: [] }, SHORTEST));
  const members: Member[] = [];
  for (const member of status.members) {
    // And a comma.
    used += jsonLength(cutMember(member, SHORTEST)) + 1;
    if (used > room) break;
    members.push(member);
  }
  return { ...status, members };
}

/** Bytes that every message may take so that the status takes `room`; negative if cutting messages is not enough. */
function longestMessage(status: StoredStatus, room: number): number {
  const left = room - jsonLength(cutMessages(status, 0));
  if (left < 0) return -1;
  const lengths = messagesOf(status)
    .map((message) => jsonLength(message) - 2)
    .sort((a, b) => a - b);
  let rest = left;
  for (const [at, length] of lengths.entries()) {
    const messages = lengths.length - at;
    if (length * messages > rest) return Math.floor(rest / messages);
    rest -= length;
  }
  return Infinity;
}

function messagesOf({ members, conditions, run, message }: StoredStatus): string[] {
  return [
    message,
    ...(run?.message === undefined ? [] : [run.message]),
    ...(run?.exceptions ?? []).map((each) => each.message),
    ...[...conditions, ...members.flatMap((member) => member.conditions)].map((each) => each.message),
  ];
}

function cutMessages(status: StoredStatus, bytes: number): StoredStatus {
  const { run } = status;
  return {
    ...status,
    message: cut(status.message, bytes),
    conditions: cutConditions(status.conditions, bytes),
    members: status.members.map((member) => cutMember(member, bytes)),
    ...(run && {
      run: {
        ...run,
        ...(run.message !== undefined && { message: cut(run.message, bytes) }),
        ...(run.exceptions && {
          exceptions: run.exceptions.map((each) => ({ ...each, message: cut(each.message, bytes) })),
        }),
      },
    }),
  };
}

function cutMember(member: Member, bytes: number): Member {
  return { ...member, conditions: cutConditions(member.conditions, bytes) };
}

function cutConditions<T extends { message: string }>(conditions: T[], bytes: number): T[] {
  return conditions.map((condition) => ({ ...condition, message: cut(condition.message, bytes) }));
}

/** A message of at most `bytes` bytes in JSON, where a quote or a control character takes several. */
function cut(message: string, bytes: number): string {
  let kept = fitText(message, bytes);
  let over = jsonLength(kept) - 2 - bytes;
  while (over > 0 && kept !== '') {
    kept = fitText(message, Math.max(0, Buffer.byteLength(kept) - over));
    over = jsonLength(kept) - 2 - bytes;
  }
  return kept;
}

/** FIT-3. */
function withNotice(smaller: StoredStatus, whole: StoredStatus, longest: number): StoredStatus {
  const left = whole.members.length - smaller.members.length;
  const said = [
    `messages are cut to ${longest} bytes`,
    ...(left > 0 ? [`the last ${left} of ${whole.members.length} members are left out`] : []),
  ];
  const condition: StoredCondition = {
    type: 'StatusComplete',
    status: 'False',
    reason: 'TooLarge',
    message: `The status of ${whole.members.length} members is too large for the API server: ${said.join('; ')}.`,
    lastTransitionTime: whole.conditions[0]?.lastTransitionTime ?? '1970-01-01T00:00:00Z',
    observedGeneration: whole.observedGeneration,
  };
  return { ...smaller, conditions: [...smaller.conditions, condition] };
}
