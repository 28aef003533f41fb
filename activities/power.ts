/**
 * Brings one VM to a power state and to its gate: reads the VM first, acts only if needed, and waits on the shared watch.
 *
 * POWER-1: a VM that is in its desired state already is not operated, unless an earlier operation has to be fenced off.
 * POWER-2: an attempt that takes over from a lost one continues the same operation. A new operation id is used only after the old operation has
 *     ended or timed out, or an operator has reset the activity.
 * POWER-3: a state is reported only if the platform showed it after it had accepted the operation.
 * POWER-4: an older operation yields to a newer one (`Superseded`).
 * POWER-5: a VM that the platform does not have is off, also where it was deleted during the operation. It cannot be powered on. One that was
 *     replaced during the operation, as by being registered again, is not gone: the next attempt works with it.
 */
import type { Context } from '@temporalio/activity';
import { isLaterHere, type PowerMode, type PowerState } from '../api';
import {
  DeletedMeanwhileError,
  PlatformError,
  questionText,
  virtualMachineKey,
  type FailureClass,
  type Observer,
  type Platform,
  type VirtualMachineState,
} from '../platforms';
import type { PowerInput, PowerResult, VirtualMachineRef } from '../contract';
import { inAttempts, type AttemptRun } from './attempts';
import { reachGate, type GateDependencies } from './gate';
import { Questions } from './questions';
import { patienceOf, powerProgress, refuseSuperseded, seconds, type PowerProgress } from './power-progress';
import { waitFor } from './waiting';

/** What the activities work with. */
export interface ActivityDependencies extends GateDependencies {
  /** Of the namespace in which the worker runs; left out: the worker's own. */
  client?: Context['client'];
  /** Milliseconds that an activity waits for a nested group's run before its caller waits without it; default a minute. */
  groupWait?: number;
}

const VERBS: Record<PowerState, string> = {
  PoweredOn: 'power on',
  PoweredOff: 'power off',
  Suspended: 'suspend',
};

/** The activity behind `powerOn`, `powerOff` and `suspend`. */
export function power(dependencies: ActivityDependencies, input: PowerInput): Promise<PowerResult> {
  return inAttempts<PowerProgress, PowerResult>(
    {
      purpose: `${VERBS[input.powerState]} ${virtualMachineKey(input.vm)}`,
      retry: input.retry,
      earlier: input.earlier,
      first: { round: 1 },
      progress: powerProgress,
      next: nextProgress,
      client: dependencies.client,
    },
    async (run) => {
      dependencies.platform.track?.([input.vm]);
      const reached = await reachPowerState(dependencies, input, run);
      const { status, probed } = await reachGate(dependencies, input, run, reached.state);
      const { askedAt, asked, answered } = run.progress;
      const leftOff = input.powerState === 'Suspended' && status.powerState === 'PoweredOff';
      return {
        operation: input.operation.id,
        status,
        acted: (askedAt !== undefined || asked === true) && !leftOff,
        ...(probed !== undefined && { probed }),
        ...(answered && { answered }),
        failures: run.failures,
      };
    },
  );
}

/** After a time-out, or a reset by an operator, the operation is requested again. */
function nextProgress(progress: PowerProgress, after: FailureClass | 'Reset'): PowerProgress {
  return after === 'OperationTimeout' || after === 'Reset' ? usedUp(progress) : progress;
}

/** The operation that was requested, if any, will have no further effect. */
function usedUp(progress: PowerProgress): PowerProgress {
  if (progress.askedAt !== undefined) return nextRound(progress);
  const { round, asked, answered } = progress;
  return { round, ...(asked && { asked }), ...(answered && { answered }) };
}

function nextRound({ round, answered }: PowerProgress): PowerProgress {
  return { round: round + 1, asked: true, ...(answered && { answered }) };
}

// ---- The power state --------------------------------------------------------------------------------------------------------------

/** What was seen once the power state was reached; no state where the platform does not have the VM, which then is off. */
interface Reached {
  state: VirtualMachineState | undefined;
}

async function reachPowerState(
  { platform, observer }: ActivityDependencies,
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
): Promise<Reached> {
  const seen = await look(platform, observer, input, run);
  const { state } = seen;
  adoptRound(input, run, state);
  const own = state?.operation?.id === operationId(input, run) ? state.operation : undefined;
  const fenced = input.fence !== true || run.progress.askedAt !== undefined || own !== undefined;
  if (seen.there && fenced) {
    // The heartbeat of the attempt that asked may be lost, POWER-2.
    if (own?.phase === 'Done' && run.progress.askedAt === undefined)
      run.note({ ...run.progress, askedAt: Date.now() });
    return { state };
  }
  // Its id is used up: it has failed, or another client undid its effect.
  if (own?.phase === 'Failed' || own?.phase === 'Done') run.note(nextRound(run.progress));
  if (own?.phase === 'InProgress' && state) {
    if (run.progress.askedAt === undefined) run.note({ ...run.progress, askedAt: Date.now() });
    return waitForState(platform, observer, input, run, state);
  }
  const accepted = await ask(platform, input, run);
  if (isThere(input, run, accepted)) return { state: accepted };
  return waitForState(platform, observer, input, run, accepted);
}

/** The state first, from the watch; what would mean "nothing to do" is confirmed by the platform itself. */
async function look(
  platform: Platform,
  observer: Observer,
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
): Promise<{ there: boolean; state: VirtualMachineState | undefined }> {
  const { vm } = input;
  const cached = observer.live ? observer.get(vm) : undefined;
  if (cached && !isThere(input, run, cached)) {
    refuseSuperseded(input, cached);
    return { there: false, state: cached };
  }
  const state = await platform.read(vm, run.signal);
  if (!state) return { there: input.powerState !== 'PoweredOn', state };
  refuseSuperseded(input, state);
  return { there: isThere(input, run, state), state };
}

/** In the wanted state, and nothing on its way to change that. */
function isThere(input: PowerInput, run: AttemptRun<PowerProgress>, state: VirtualMachineState): boolean {
  const { powerState } = state.status;
  // A VM that is to be suspended and is off has nothing to wait for, whatever becomes of the operation.
  const leftOff = input.powerState === 'Suspended' && powerState === 'PoweredOff';
  const moving = state.operation?.phase === 'InProgress';
  if (leftOff) return !moving || isOwn(input, run, state.operation?.id ?? '');
  return powerState === input.powerState && !moving;
}

async function ask(
  platform: Platform,
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
): Promise<VirtualMachineState> {
  const { vm, powerState, mode, guestShutdownTimeout, caller } = input;
  const operation = { id: operationId(input, run), sequence: input.operation.sequence };
  // On record before the call: whether an answer comes back or not, the operation may take effect.
  run.note({ ...run.progress, askedAt: Date.now() });
  const accepted = await platform.power(
    { vm, operation, powerState, guestShutdownTimeout, caller, ...(mode && { mode }) },
    run.signal,
  );
  refuseSuperseded(input, accepted);
  refuseFailed(input, run, accepted);
  return accepted;
}

async function waitForState(
  platform: Platform,
  observer: Observer,
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
  accepted: VirtualMachineState,
): Promise<Reached> {
  const limit = operationLimit(input);
  const questions = new Questions(platform, input, run);
  const arrived = (state: VirtualMachineState): boolean => {
    questions.see(state);
    refuseSuperseded(input, state);
    refuseFailed(input, run, state);
    return isNewer(input, run, state, accepted) && isThere(input, run, state);
  };
  const patience = patienceOf(run, 'operation', limit);
  const waiting = waitFor(platform, observer, input.vm, patience, arrived);
  const state = await unlessDeleted(waiting, platform, input, run);
  if (state === 'Deleted') return { state: undefined };
  if (state) return { state };
  const { operation, question } = observer.get(input.vm) ?? {};
  const hold = question ? questionText(question) : operation?.hold;
  throw new PlatformError(
    question ? 'Unanswered' : (operation?.holdClass ?? 'OperationTimeout'),
    `VM ${virtualMachineKey(input.vm)} was asked to ${VERBS[input.powerState]} (operation ${operationId(input, run)}), and it did not happen within ${seconds(limit)}` +
      (hold === undefined ? '' : `: ${hold}`),
  );
}

/** POWER-5. The observer reports a VM that was replaced as deleted; the platform itself says whether it is gone. */
async function unlessDeleted<T>(
  waiting: Promise<T>,
  platform: Platform,
  { vm, powerState }: PowerInput,
  run: AttemptRun<PowerProgress>,
): Promise<T | 'Deleted'> {
  try {
    return await waiting;
  } catch (error: unknown) {
    if (!(error instanceof DeletedMeanwhileError)) throw error;
    if (await platform.read(vm, run.signal)) throw replaced(vm);
    if (powerState === 'PoweredOn') throw error;
    return 'Deleted';
  }
}

function replaced(vm: VirtualMachineRef): PlatformError {
  return new PlatformError(
    'Transient',
    `VM ${virtualMachineKey(vm)} was replaced on the platform while an operation waited for it; the next attempt is for the one that is there now`,
  );
}

/**
 * Milliseconds in which an operation must show its effect. The time that the guest is given comes on top: before it is over nothing
 * is late.
 */
function operationLimit({
  powerState,
  mode = 'TrySoft',
  operationTimeout,
  guestShutdownTimeout,
}: PowerInput): number {
  const asksGuest = powerState !== 'PoweredOn' && (mode satisfies PowerMode) !== 'Hard';
  return operationTimeout + (asksGuest ? guestShutdownTimeout : 0);
}

/** Not an echo from before the operation was accepted (POWER-3). */
function isNewer(
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
  state: VirtualMachineState,
  accepted: VirtualMachineState,
): boolean {
  const id = state.operation?.id;
  if (id !== undefined && isOwn(input, run, id)) return true;
  return isLaterHere(state.status, accepted.status);
}

function refuseFailed(input: PowerInput, run: AttemptRun<PowerProgress>, state: VirtualMachineState): void {
  const { operation } = state;
  if (operation?.phase !== 'Failed' || !isOwn(input, run, operation.id)) return;
  // The platform knows this id and will not try again under it.
  run.note(nextRound(run.progress));
  throw new PlatformError(
    operation.failure?.class ?? 'Transient',
    operation.failure?.message ?? `operation ${operation.id} failed`,
  );
}

// ---- Operation ids ------------------------------------------------------------------------------------------------------------------

function operationId({ operation }: PowerInput, { progress }: AttemptRun<PowerProgress>): string {
  return progress.round === 1 ? operation.id : `${operation.id}~${progress.round}`;
}

function isOwn(input: PowerInput, run: AttemptRun<PowerProgress>, id: string): boolean {
  return id === operationId(input, run);
}

/** Where heartbeat details were lost the platform still knows how many rounds there were. */
function adoptRound(
  { operation }: PowerInput,
  run: AttemptRun<PowerProgress>,
  state: VirtualMachineState | undefined,
): void {
  const id = state?.operation?.id ?? '';
  const round = id.startsWith(`${operation.id}~`) ? Number(id.slice(operation.id.length + 1)) : 0;
  if (Number.isInteger(round) && round > run.progress.round)
    run.note({ ...run.progress, round, asked: true });
}
