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
export function claimAgain(run: Run, { release, ...claims }: Claims): void {
  if (release?.activityId !== undefined) run.dropped = [...run.dropped, release.activityId];
  run.claims = claims;
  run.placements = { ...run.placements };
  run.unsure = { ...run.unsure };
  for (const name of Object.keys(claims.vms)) {
    delete run.placements[name];
    run.unsure[name] = true;
  }
  run.placement = { ...run.placement, done: false };
}

/** The run after the platform placed its VMs. Optional VMs without room are left alone until a retry. */
export function placed(run: Run, activityId: string, results: readonly PlacementResult[], now: number): Run {
  const { placement } = run;
  if (placement.activityId !== activityId) return run;
  if (!placement.more && !placement.held) return withPlaces(run, results, now);
  const held = [...(placement.held ?? []), ...results];
  return { ...run, placement: { attempts: [], done: placement.done, held } };
}

/** The run with the places of its VMs. */
export function withPlaces(run: Run, results: readonly PlacementResult[], now: number): Run {
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
  const { done, held } = run.placement;
  return { ...run, placement: { attempts: [], done, ...(held && { held }), confirms: true } };
}

/** The run after the platform refused to place its VMs (`Permanent`). */
export function placementFailed(run: Run, activityId: string, failure: OperationFailure): Run {
  if (run.placement.activityId !== activityId) return run;
  const { attempts, done, held, outranked = 0 } = run.placement;
  const placement: Placing = { attempts, done, ...(held && { held }) };
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

/** The VMs whose room a platform has only promised to this run. `platform`: `''` for the default one. */
export function claimed({ plan: { namespace }, claims }: Run, platform: string): VirtualMachineRef[] {
  return Object.entries(claims?.vms ?? {})
    .filter(([name]) => platformOf(claims, name) === platform)
    .map(([name, uid]) => ({ namespace, name, uid }));
}

/**
 * The platform that is still to be asked to give places back before the run ends (`''` for the default one); undefined: none. If a parent has
 * taken over, it gives them back.
 */
export function owesRelease({ ending, claims, placedByParent }: Run): string | undefined {
  if (ending?.release !== true || placedByParent || !claims) return undefined;
  const { release, vms } = claims;
  if (release && (release.activityId !== undefined || !release.platforms)) return undefined;
  const platforms = Object.keys(vms).map((name) => platformOf(claims, name));
  return platforms.find((platform) => !release?.platforms?.includes(platform));
}

function platformOf(claims: Claims | undefined, name: string): string {
  return own(claims?.platforms, name) ?? '';
}

/** The run after the platform answered which VMs have no place now; or why it did not. */
export function released(
  run: Run,
  activityId: string,
  answer: { free: readonly VirtualMachineRef[] } | { failure: string },
): Run {
  const { claims } = run;
  if (claims?.release?.activityId !== activityId) return run;
  const { activityId: _ended, ...before } = claims.release;
  if ('failure' in answer) {
    const failure = fitText(answer.failure, MESSAGE_BYTES);
    return { ...run, claims: { ...claims, release: { ...before, failure } } };
  }
  const freed = answer.free.map(({ name }) => name).filter((name) => Object.hasOwn(claims.vms, name));
  const placements = { ...run.placements };
  for (const name of freed) delete placements[name];
  const free = [...(before.free ?? []), ...freed];
  return { ...run, placements, claims: { ...claims, release: { ...before, free } } };
}
