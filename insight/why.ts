/**
 * Why a member of a group is not in its desired state: the chain from it to what holds it. Pure.
 *
 * WHY-1: a chain ends with what an operator or time can change: a parked member, a delay, a pause, a gate. It is never longer than
 *     {@link LONGEST_CHAIN}, whatever waits for whatever.
 * WHY-2: a trouble of the whole run ends every chain of its members, as nothing else helps before it is repaired.
 * WHY-3: what is explained is what was observed: a member that is in its desired state has no chain, whatever its run says.
 */
import { firstFew } from '../api/text';
import type { MemberProgress } from '../contract';
import { healthFindings } from './health-findings';
import { awaitedTier, holdOf, openMembers, shortName, type Hold } from './hold';
import { nameOf, openProgress, type KnownGroup, type KnownMember } from './known-group';

/** Most links of a chain. */
export const LONGEST_CHAIN = 40;

/** The answer for one member. */
export interface Why {
  /** `namespace/name`. */
  group: string;
  /** Name of a VM, or `VirtualMachineGroup/name`. */
  member: string;
  /** It is in its desired state, its gate included. */
  isThere: boolean;
  powerState?: string;
  /** From the member to what holds it; empty: nothing does, or nothing is known. */
  chain: Hold[];
}

/** What is known besides the group. */
export interface Surroundings {
  /** Other groups, by `namespace/name`: those below, and those above. */
  groupOf: (name: string) => KnownGroup | undefined;
  /** Why no process acts on the group, in words, with what helps; undefined: some do, or it is not known. */
  idle?: { text: string; commands: string[] };
}

/** Explains each member of a group, in boot order. */
export function whyGroup(group: KnownGroup, around: Surroundings): Why[] {
  return group.status.members.map((member) => whyMember(group, keyOf(member), around));
}

/** Explains one member, by its key; a member that the group's status does not have is not there. */
export function whyMember(group: KnownGroup, member: string, around: Surroundings): Why {
  const known = group.status.members.find((each) => keyOf(each) === member);
  const progress = openProgress(group)?.members.find((each) => each.member === member);
  const isThere =
    known !== undefined && isMet(known) && (progress === undefined || progress.phase === 'Done');
  return {
    group: nameOf(group),
    member,
    isThere,
    ...(known?.powerState && { powerState: known.powerState }),
    chain: isThere ? [] : chainOf(group, member, around),
  };
}

/** WHY-1. */
function chainOf(group: KnownGroup, member: string, around: Surroundings): Hold[] {
  const chain: Hold[] = [];
  const seen = new Set<string>();
  let at: { group: KnownGroup; member: string } | undefined = { group, member };
  while (at && chain.length < LONGEST_CHAIN) {
    const place = `${nameOf(at.group)} ${at.member}`;
    if (seen.has(place)) break;
    seen.add(place);
    const link = linkOf(at.group, at.member, around);
    chain.push(...link.holds);
    at = link.next;
  }
  return chain.slice(0, LONGEST_CHAIN);
}

/** What holds one member, and the member that holds it. */
interface Link {
  holds: Hold[];
  next?: { group: KnownGroup; member: string };
}

function linkOf(group: KnownGroup, key: string, around: Surroundings): Link {
  const progress = openProgress(group);
  const member = progress?.members.find((each) => each.member === key);
  if (!progress || !member) return withoutProgress(group, key, around);
  const hold = holdOf(group, progress, member) ?? leftState(group, key);
  const next = nextOf(group, member, hold, around);
  // A trouble of the run is named once: where the chain leaves the run.
  const troubles = next?.group === group ? [] : troublesOf(group, around);
  return { holds: [hold, ...troubles], ...(next && { next }) };
}

function nextOf(
  group: KnownGroup,
  member: MemberProgress,
  { kind }: Hold,
  around: Surroundings,
): Link['next'] {
  const progress = openProgress(group);
  if (!progress) return undefined;
  if (kind === 'Tier') {
    const [first] = openMembers(progress, awaitedTier(progress, member));
    return first && { group, member: first.member };
  }
  if (kind !== 'NestedRun') return undefined;
  const nested = around.groupOf(`${group.metadata.namespace}/${shortName(member.member)}`);
  const open = nested && worstMember(nested);
  return nested && open !== undefined ? { group: nested, member: open } : undefined;
}

/** The member of a group that keeps it from its desired state, and needs attention most. */
function worstMember(group: KnownGroup): string | undefined {
  const progress = openProgress(group);
  if (!progress) return firstUnmet(group);
  const open = progress.tiers
    .filter(({ phase }) => phase === 'Running' || phase === 'Delay')
    .flatMap((tier) => openMembers(progress, tier).slice(0, 1));
  return open[0]?.member ?? firstUnmet(group);
}

function firstUnmet({ status }: KnownGroup): string | undefined {
  const unmet = status.members.find((member) => !isMet(member));
  return unmet && keyOf(unmet);
}

/** A member that is done in its run, and was observed to have left its desired state since. */
function leftState(group: KnownGroup, key: string): Hold {
  const unmet = unmetCondition(group, key);
  return {
    kind: 'Group',
    group: nameOf(group),
    member: key,
    text: unmet ? `was done, and no longer is: ${unmet.message}` : 'was done, and no longer is',
    ...(unmet && { since: Date.parse(unmet.lastTransitionTime) }),
    commands: [],
  };
}

/** WHY-2. */
function troublesOf(group: KnownGroup, { idle }: Surroundings): Hold[] {
  const name = nameOf(group);
  const { run, status } = group;
  const findings =
    run?.health && run.endedAt === undefined
      ? healthFindings(group.metadata, run.workflowId, run.health)
      : [];
  const members = openProgress(group)?.members ?? [];
  const ofRun = findings.filter(
    ({ activityId }) =>
      !members.some((each) => each.activityId !== undefined && each.activityId === activityId),
  );
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  const holds: Hold[] = ofRun.map(({ kind, message, cure }) => ({
    kind: 'Group',
    group: name,
    text: `waits: ${message}`,
    reason: kind,
    commands: cure,
  }));
  if (ready && RUN_TROUBLES.has(ready.reason))
    holds.push({
      kind: 'Group',
      group: name,
      text: `waits: ${ready.message}`,
      reason: ready.reason,
      commands: [],
      since: Date.parse(ready.lastTransitionTime),
    });
  if (idle) holds.push({ kind: 'Process', group: name, text: idle.text, commands: idle.commands });
  return holds;
}

/** Reasons of a group's `Ready` that say why its run does not take what is wanted. The health of the run has the other ones. */
const RUN_TROUBLES: ReadonlySet<string> = new Set(['StalePlan', 'PlanTooLarge', 'Contested', 'Invalid']);

/** A member of a group without a run that answers: its exception, the run above, or the phase of the group. */
function withoutProgress(group: KnownGroup, key: string, around: Surroundings): Link {
  const name = nameOf(group);
  const exception = group.run?.outcome?.exceptions.find((each) => each.member === key);
  const unmet = unmetCondition(group, key);
  const since = unmet && { since: Date.parse(unmet.lastTransitionTime) };
  if (exception) {
    const retry = NEW_RUN.has(group.phase) ? [`vmgroup retry ${name} --reason TEXT`] : [];
    const hold: Hold = {
      kind: exception.reason === 'Parked' ? 'Parked' : 'LeftAlone',
      group: name,
      member: key,
      text: `was left as it is by the last run: ${exception.message}`,
      reason: exception.reason,
      ...since,
      commands: retry,
    };
    return { holds: [hold, ...troublesOf(group, around)] };
  }
  const parent = parentLink(group, around);
  if (parent) return { holds: [parent.hold], next: parent.next };
  const nested = nestedLink(group, key, around);
  const why = [unmet?.message, group.message].filter((text) => text !== undefined && text !== '');
  const hold: Hold = {
    kind: 'Group',
    group: name,
    member: key,
    text: `waits: the group is ${group.phase}: ${firstFew([...new Set(why)] as string[], 1).at(0) ?? ''}`,
    reason: group.phase,
    ...since,
    commands: NEW_RUN.has(group.phase) ? [`vmgroup retry ${name} --reason TEXT`] : [],
  };
  return { holds: [hold, ...troublesOf(group, around)], ...(nested && { next: nested }) };
}

/** Phases in which no run starts by itself although members are not in their desired state. */
const NEW_RUN: ReadonlySet<string> = new Set(['Cancelled', 'Failed', 'ConvergedWithExceptions', 'OutOfSync']);

/** A group whose run has not begun waits for its turn in the run of the group above. */
function parentLink(
  group: KnownGroup,
  { groupOf }: Surroundings,
): { hold: Hold; next: NonNullable<Link['next']> } | undefined {
  const { groupName } = group.spec;
  const parent = groupName === undefined ? undefined : groupOf(`${group.metadata.namespace}/${groupName}`);
  const progress = parent && openProgress(parent);
  const member = `VirtualMachineGroup/${group.metadata.name}`;
  if (!parent || progress?.members.find((each) => each.member === member)?.phase === 'Done' || !progress)
    return undefined;
  return {
    hold: {
      kind: 'ParentRun',
      group: nameOf(group),
      commands: [],
      text: `waits for its turn in the run of ${nameOf(parent)}`,
    },
    next: { group: parent, member },
  };
}

function nestedLink(group: KnownGroup, key: string, { groupOf }: Surroundings): Link['next'] {
  if (!key.startsWith('VirtualMachineGroup/')) return undefined;
  const nested = groupOf(`${group.metadata.namespace}/${shortName(key)}`);
  const unmet = nested && firstUnmet(nested);
  return nested && unmet !== undefined ? { group: nested, member: unmet } : undefined;
}

function unmetCondition(group: KnownGroup, key: string): KnownMember['conditions'][number] | undefined {
  const known = group.status.members.find((each) => keyOf(each) === key);
  return known?.conditions.find(({ status }) => status !== 'True');
}

/** WHY-3. */
function isMet({ conditions }: KnownMember): boolean {
  return conditions.every(({ status }) => status === 'True');
}

function keyOf({ kind, name }: Pick<KnownMember, 'kind' | 'name'>): string {
  return kind === 'VirtualMachine' ? name : `VirtualMachineGroup/${name}`;
}
