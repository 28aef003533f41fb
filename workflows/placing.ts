/**
 * What a run knows of the places of its VMs: those that it has asked for, and those that it has to give back. Pure.
 *
 * PLACING-1: a call that a greater sequence of the same group outranks is repeated with a sequence greater than that, so a clock that was once
 *     ahead locks no group out.
 * PLACING-2: a run that continues after it was about to end asks again for every place that it was about to give back.
 */
import { type PlacementResult, type VirtualMachineRef, workflowId } from '../contract';
import { own } from '../api/own';
import { fitText } from '../api/text';
import { MAX_OUTRANKED, outranks } from './outranked';
import {
  membersOf,
  MESSAGE_BYTES,
  type Claims,
  type OperationFailure,
  type Placing,
  type Run,
} from './state';

/** Drops the open call for places, so that the planner makes one with the current needs. */
export function placeAgain(run: Run): void {
  const { activityId, done } = run.placement;
  if (activityId === undefined) return;
  run.dropped = [...run.dropped, activityId];
  run.placement = { attempts: [], done };
}

/** PLACING-2. Changes `run`. */
export function claimAgain(run: Run, { sequence, vms, release }: Claims): void {
  if (release?.activityId !== undefined) run.dropped = [...run.dropped, release.activityId];
  run.claims = { sequence, vms };
  run.placements = { ...run.placements };
  run.unsure = { ...run.unsure };
  for (const name of Object.keys(vms)) {
    delete run.placements[name];
    run.unsure[name] = true;
  }
  run.placement = { ...run.placement, done: false };
}

/** The run after the platform placed its VMs. Optional VMs without room are left alone until a retry. */
export function placed(run: Run, activityId: string, results: readonly PlacementResult[], now: number): Run {
  if (run.placement.activityId !== activityId) return run;
  const next: Run = {
    ...run,
    members: { ...run.members },
    placements: { ...run.placements },
    placement: { attempts: [], done: true },
  };
  const roomless: Record<string, string> = { ...run.roomless };
  for (const result of results) {
    const { vm } = result;
    if (result.placement === undefined) roomless[vm.name] = fitText(result.unplaced, MESSAGE_BYTES);
    else {
      const note = result.note !== undefined && { note: fitText(result.note, MESSAGE_BYTES) };
      next.placements[vm.name] = { ...result.placement, uid: vm.uid, ...note };
    }
  }
  if (Object.keys(roomless).length > 0) next.roomless = roomless;
  for (const { key, member } of membersOf(run.plan)) {
    const message = member.kind === 'VirtualMachine' ? own(next.roomless, member.name) : undefined;
    const state = own(next.members, key);
    if (message === undefined || !state) continue;
    next.members[key] = { ...state, leftAlone: { reason: 'NoRoom', message, at: now } };
  }
  return next;
}

/** The run after its call for places ended with a result of another call: the platform is asked again. */
export function placesUnconfirmed(run: Run, activityId: string): Run {
  if (run.placement.activityId !== activityId) return run;
  return { ...run, placement: { attempts: [], done: run.placement.done, confirms: true } };
}

/** The run after the platform refused for good to place its VMs. */
export function placementFailed(run: Run, activityId: string, failure: OperationFailure): Run {
  if (run.placement.activityId !== activityId) return run;
  const { attempts, done, outranked = 0 } = run.placement;
  const placement: Placing = { attempts, done };
  const { namespace, name } = run.plan;
  const recorded = outranks(failure, run.claims?.sequence ?? 0);
  if (recorded?.caller === workflowId(namespace, name) && outranked < MAX_OUTRANKED) {
    return {
      ...run,
      placement: { ...placement, outranked: outranked + 1 },
      claims: { vms: {}, ...run.claims, sequence: recorded.sequence },
    };
  }
  return {
    ...run,
    placement: { ...placement, done: false },
    ending: { outcome: 'Failed', message: `Placement failed: ${fitText(failure.message, MESSAGE_BYTES)}` },
  };
}

/** The VMs whose room is only promised to this run. */
export function claimed({ plan: { namespace }, claims }: Run): VirtualMachineRef[] {
  return Object.entries(claims?.vms ?? {}).map(([name, uid]) => ({ namespace, name, uid }));
}

/** Whether places are still to be given back before the run ends. If a parent has taken over, it gives them back. */
export function owesRelease({ ending, claims, placedByParent }: Run): boolean {
  if (ending?.release !== true || placedByParent || !claims || claims.release) return false;
  return Object.keys(claims.vms).length > 0;
}

/** The run after the platform answered which VMs have no place now; or why it did not. */
export function released(
  run: Run,
  activityId: string,
  answer: { free: readonly VirtualMachineRef[] } | { failure: string },
): Run {
  const { claims } = run;
  if (claims?.release?.activityId !== activityId) return run;
  if ('failure' in answer) {
    const failure = fitText(answer.failure, MESSAGE_BYTES);
    return { ...run, claims: { ...claims, release: { failure } } };
  }
  const free = answer.free.map(({ name }) => name).filter((name) => Object.hasOwn(claims.vms, name));
  const placements = { ...run.placements };
  for (const name of free) delete placements[name];
  return { ...run, placements, claims: { ...claims, release: { free } } };
}
