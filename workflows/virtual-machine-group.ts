/**
 * The workflow of a group.
 *
 * RUN-1: handlers are registered before the first await and only change state; the loop alone acts.
 * RUN-2: the run does not close before it has handled every message: nothing is awaited after the decision to end, and the server refuses to
 *     close a run that has received a signal meanwhile.
 * RUN-3: the run continues as new with its whole state before its history exceeds what the server suggests. Open operations are scheduled
 *     again with the same operation id, so the platform sees no second one.
 * RUN-4: no input fails a workflow task: input that cannot be read has no effect and is shown.
 * RUN-5: cancelling the workflow ends the run like `abort`: promised room is given back, and there is an outcome. A desired state that comes
 *     before the end continues the run, which then only records who cancelled, and carries out operator commands as before.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { CleanUpStart, RunOutcome, RunStart } from '../contract';
import { GroupRun } from './driver';

/** One run of a group. Started by signal-with-start with `applyPlan`; ends with an outcome on record. */
export function virtualMachineGroup(start: RunStart): Promise<RunOutcome> {
  return drive(new GroupRun(start));
}

/**
 * A run that clears up after one that was ended from outside, and puts on record who did that. A desired state that comes meanwhile is carried
 * out as in any run.
 */
export function virtualMachineGroupCleanUp(start: CleanUpStart): Promise<RunOutcome> {
  const run = new GroupRun(start);
  run.cleanUp((start as Partial<CleanUpStart> | undefined)?.cleanUp);
  return drive(run);
}

async function drive(run: GroupRun): Promise<RunOutcome> {
  const { cancelRequested } = CancellationScope.current();
  // RUN-5: neither the loop nor what a cancellation leads to is in a scope that it cancels.
  cancelRequested.catch((error: unknown) => CancellationScope.nonCancellable(async () => run.cancel(error)));
  return CancellationScope.nonCancellable(() => run.drive());
}
