/** Which VMs need a place, and the activities that ask for places and give them back. Pure. */
import { own } from '../../api/own';
import {
  machineRef,
  machinesOf,
  memberKey,
  workflowId,
  type MemberKey,
  type Neighbour,
  type PlaceInput,
  type PlacementRequest,
  type Plan,
  type PlanMember,
} from '../../contract';
import { CHANGES, usesAll, type Uses } from '../changes';
import { claimed, withPlaces } from '../placing';
import { membersOf, type Claims, type Run } from '../state';
import { needsOperation } from './members';
import { confirming, nextId, type NextSteps, type Start } from './steps';

/** Places everything that is not placed, PLANNER-6. */
export function askForPlaces(steps: NextSteps, now: number, uses: Uses): void {
  const { run } = steps;
  const { placement } = run;
  if (!places(run) || run.paused || placement.activityId !== undefined) return;
  const missing = unanswered(run, uses);
  const [first] = missing;
  if (!first) {
    if (placement.held) Object.assign(run, withPlaces(run, placement.held, now));
    run.placement = { ...run.placement, done: true };
    return;
  }
  const { platform } = first.member;
  const asked = missing.filter(({ member }) => member.platform === platform);
  const activityId = nextId(run, `place/${run.plan.name}`);
  const { platform: _before, more: _more, ...rest } = placement;
  run.placement = {
    ...rest,
    activityId,
    since: now,
    attempts: [],
    ...(platform !== undefined && { platform }),
    ...(asked.length < missing.length && { more: true as const }),
  };
  run.claims = withClaims(run, asked, now);
  steps.start.push(placeStart(run, activityId, uses));
}

/** Whether the places of the VMs are this run's business. */
function places({ plan, placedByParent }: Run): boolean {
  return !placedByParent && (plan.powerState === 'PoweredOn' || plan.placesAhead === true);
}

/** Whether a paused run has to place VMs once it is resumed. */
export function placesLater(run: Run, uses: Uses): boolean {
  if (!run.paused || !places(run)) return false;
  const waits = run.placement.held !== undefined || unanswered(run, uses).length > 0;
  return waits && uses(CHANGES.pausedPlaces);
}

/** The VMs that need a place and that no platform has answered for. */
function unanswered(run: Run, uses: Uses): Unplaced[] {
  const { held } = run.placement;
  const needed = unplaced(run, run.plan, uses);
  if (!held) return needed;
  const answered: Record<string, true> = {};
  for (const { vm } of held) answered[vm.name] = true;
  return needed.filter(({ member }) => own(answered, member.name) === undefined);
}

/** The claims of a run that asks for the places of more VMs. */
function withClaims(run: Run, asked: readonly Unplaced[], now: number): Claims {
  const vms = { ...run.claims?.vms };
  const platforms = { ...run.claims?.platforms };
  for (const { member } of asked) {
    vms[member.name] = member.uid ?? '';
    if (member.platform !== undefined) platforms[member.name] = member.platform;
    else delete platforms[member.name];
  }
  const some = Object.keys(platforms).length > 0;
  return { sequence: nextClaim(run, now), vms, ...(some && { platforms }) };
}

function nextClaim({ claims }: Run, now: number): number {
  return Math.max((claims?.sequence ?? 0) + 1, now);
}

/** PLANNER-8. */
export function giveBack(steps: NextSteps, platform: string, now: number): void {
  const { run } = steps;
  const { claims } = run;
  const activityId = nextId(run, `release/${run.plan.name}`);
  const platforms = claims?.platforms && [...(claims.release?.platforms ?? []), platform];
  const release = { ...claims?.release, activityId, ...(platforms && { platforms }) };
  run.claims = { vms: {}, ...claims, sequence: nextClaim(run, now), release };
  steps.start.push(releaseStart(run, activityId));
}

/** A VM that needs a place, with the plan that has it as a member. */
interface Unplaced {
  member: PlanMember;
  plan: Plan;
}

/** The linked VMs of a tree that have no place yet and need one: to be powered on, or to be created. */
function unplaced(run: Run, plan: Plan, uses: Uses): Unplaced[] {
  const found: Unplaced[] = [];
  for (const { key, member } of membersOf(plan)) {
    if (member.link !== 'Linked' || !needsPlace(run, plan, key, member, uses)) continue;
    if (member.plan) found.push(...unplaced(run, member.plan, uses));
    else if (member.kind === 'VirtualMachine' && !isPlaced(run, plan, key, member))
      found.push({ member, plan });
  }
  return found;
}

/** Whether a VM of the run's own group waits for its place. */
export function waitsForPlace(run: Run, key: MemberKey): boolean {
  if (!places(run)) return false;
  const waiting = unplaced(run, run.plan, usesAll);
  return waiting.some(({ plan, member }) => plan === run.plan && memberKey(member) === key);
}

function needsPlace(run: Run, plan: Plan, key: MemberKey, member: PlanMember, uses: Uses): boolean {
  if (member.kind === 'VirtualMachine' && own(run.roomless, member.name) !== undefined) return false;
  if (plan !== run.plan) return true;
  if (needsOperation(run, key, member)) return true;
  if (plan.placesAhead !== true) return false;
  const skipped = own(run.members, key)?.word?.verb === 'skipMember';
  return !(skipped && uses(CHANGES.placesFollow));
}

function isPlaced(run: Run, plan: Plan, key: MemberKey, member: PlanMember): boolean {
  const placed = own(run.placements, member.name);
  if (placed && (placed.uid ?? member.uid) === member.uid) return true;
  if (own(run.unsure, member.name)) return false;
  const observed = plan === run.plan ? own(run.members, key)?.observed : member.observed;
  return observed?.placement !== undefined || member.observed?.placement !== undefined;
}

/** Whether placement lets a member be powered on. */
export function mayStart(run: Run, key: MemberKey, member: PlanMember, uses: Uses): boolean {
  if (run.plan.powerState !== 'PoweredOn' || run.placedByParent) return true;
  const settled = member.plan
    ? unplaced(run, member.plan, uses).length === 0
    : isPlaced(run, run.plan, key, member);
  return settled && (run.placement.done || uses(CHANGES.placedStart));
}

export function placeStart(run: Run, activityId: string, uses: Uses): Start {
  const { plan } = run;
  const { platform } = run.placement;
  const asked = unanswered(run, uses).filter(({ member }) => member.platform === platform);
  const requests = asked.map(({ member, plan: { namespace } }): PlacementRequest => {
    const { cpus = 0, memory = 0, ...rest } = member.requests ?? {};
    const vm = machineRef(namespace, member);
    return { vm, cpus, memory, ...rest, ...(member.optional && { optional: true as const }) };
  });
  const beside = neighboursOf(run, requests);
  const { attempts, confirms } = run.placement;
  const input: PlaceInput = {
    operation: `${activityId}@${run.claims?.sequence ?? 0}`,
    requests,
    retry: plan.policy.retry,
    caller: workflowId(plan.namespace, plan.name),
    ...(run.claims && { sequence: run.claims.sequence }),
    ...(plan.placesAhead && plan.powerState !== 'Unchanged' && { hold: true as const }),
    ...(beside.length > 0 && { beside }),
    ...(attempts.length > 0 && { earlier: attempts }),
  };
  const start = {
    activityId,
    activity: 'place' as const,
    summary: `place ${requests.length} VM${requests.length === 1 ? '' : 's'}`,
    ...(platform !== undefined && { platform }),
    input,
  };
  return confirms ? confirming(start) : start;
}

/** Attempts to give places back: an operator waits for the end of the run. Milliseconds. */
const RELEASE_RETRY = { maximumAttempts: 4, initialInterval: 500, maximumInterval: 2_000 };

export function releaseStart(run: Run, activityId: string): Start {
  const { plan, claims } = run;
  const platform = claims?.release?.platforms?.at(-1) ?? '';
  const vms = claimed(run, platform);
  return {
    activity: 'release',
    activityId,
    ...(platform !== '' && { platform }),
    summary: `give back the places of ${vms.length} VM${vms.length === 1 ? '' : 's'}`,
    input: {
      operation: activityId,
      vms,
      caller: workflowId(plan.namespace, plan.name),
      sequence: claims?.sequence ?? 0,
      retry: RELEASE_RETRY,
    },
  };
}

/** The other VMs that rules are about: those of the tree that are not placed now, and those that the plan names. */
function neighboursOf({ plan }: Run, requests: PlacementRequest[]): Neighbour[] {
  if (!plan.beside) return [];
  const { namespace } = plan;
  const placing: Record<string, true> = {};
  for (const { vm } of requests) placing[vm.name] = true;
  return [
    ...plan.beside.map(({ name, uid, ...seen }): Neighbour => ({ vm: { namespace, name, uid }, ...seen })),
    ...machinesOf(plan).flatMap((member): Neighbour[] => {
      const { name, uid, requests: { labels, affinity } = {} } = member;
      if (uid === undefined || own(placing, name) || (!labels && !affinity)) return [];
      const vm = machineRef(namespace, member);
      return [{ vm, ...(labels && { labels }), ...(affinity && { affinity }) }];
    }),
  ];
}
