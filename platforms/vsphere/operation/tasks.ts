/** The tasks of an operation: its own, those that DRS starts for it, and those of others that it has to wait for. */
import type { PowerState } from '../../../api';
import { limited } from '../../../limits';
import { PlatformError } from '../../platform';
import type { TaskFacts, VmFacts } from '../facts';
import { classifyFault } from '../faults';
import { effectOf } from '../ground';
import { startTask, type PowerTask } from '../power-calls';
import { child, localizedFault, managedObject, VimFault, type ManagedObject } from '../soap';
import type { Stream } from '../stream';
import { EFFECT, type WaitingOperation } from './waiting-operation';

/** Milliseconds that an operation waits for other tasks on the VM. */
const OTHERS = 60_000;
/** Milliseconds in which the effect of a task of an earlier operation shows, if it has one. */
const SETTLING = 1_000;

/** Starts a task, and waits for its effect. @throws VimFault, TransportError */
export async function runTask(
  operation: WaitingOperation,
  method: PowerTask,
  host?: ManagedObject,
): Promise<VmFacts | undefined> {
  const { ground, vm, signal } = operation;
  return followTask(
    operation,
    await operation.call(() => startTask(ground.client, vm, method, { signal, host })),
  );
}

/** The VM once a task of ours has ended. @throws VimFault */
export async function followTask(
  operation: WaitingOperation,
  task: ManagedObject,
): Promise<VmFacts | undefined> {
  await operation.ground.stream().succeeded(task, operation.signal);
  return operation.effect(EFFECT);
}

/** The same for a task that DRS starts on the VM. `before`: the tasks that the VM had. @throws VimFault */
export async function followTaskOfDrs(
  operation: WaitingOperation,
  before: ReadonlySet<string>,
): Promise<VmFacts | undefined> {
  const { to } = operation.record;
  for (const known = new Set(before); ;) {
    const newTask = ({ recentTasks }: VmFacts): string | undefined =>
      recentTasks.find((id) => !known.has(id));
    const facts = await operation.within(EFFECT, (seen) => seen.power === to || newTask(seen) !== undefined);
    const started = facts && newTask(facts);
    if (!facts || facts.power === to || started === undefined) return facts ?? operation.effect(EFFECT);
    known.add(started);
    const end = await operation.ground.stream().ended({ type: 'Task', id: started }, operation.signal);
    if (end?.error && /poweron/i.test(end.what)) throw new VimFault(localizedFault(end.error), end.what);
  }
}

/**
 * Waits for a task to end that may still bring the VM to a state.
 *
 * @throws PlatformError `Transient` where the task takes too long; the reason of the operation's signal
 */
export async function outlast(
  operation: WaitingOperation,
  task: ManagedObject,
  to: PowerState,
): Promise<void> {
  const stream = operation.ground.stream();
  const limit = limited(OTHERS, operation.signal);
  const first = firstFacts(stream, task, limit);
  try {
    const seen = await first.facts;
    if (seen && effectOf(seen.what) === to && (seen.state === 'running' || seen.state === 'queued')) {
      operation.wait(`another task works on it: ${seen.what}`);
      const end = await stream.ended(task, limit);
      if (end?.state !== 'error') await operation.within(SETTLING, ({ power }) => power === to);
    }
  } catch (reason: unknown) {
    if (operation.signal.aborted || !limit.aborted) throw reason;
    throw tooLong(operation, `an earlier task (${task.id})`);
  } finally {
    first.stop();
  }
}

/** What the stream first says of a task, which is followed until `stop`; rejected with the reason of `signal`. */
function firstFacts(
  stream: Stream,
  task: ManagedObject,
  signal: AbortSignal,
): { facts: Promise<TaskFacts | undefined>; stop: () => void } {
  let stop = (): void => undefined;
  const facts = new Promise<TaskFacts | undefined>((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    const unfollow = stream.follow(task, resolve);
    stop = () => {
      signal.removeEventListener('abort', abort);
      unfollow();
    };
    if (signal.aborted) abort();
  });
  return { facts, stop };
}

/**
 * Waits for the task that a refusal names: an earlier one of ours, the same one of another process, a snapshot, a backup.
 *
 * @throws `error` where it names none.
 * @throws PlatformError `Transient` where the task takes too long.
 */
export async function outlastNamed(
  operation: WaitingOperation,
  error: VimFault,
): Promise<VmFacts | undefined> {
  const task = managedObject(child(error.fault.detail, 'task'));
  if (!task) throw error;
  const stream = operation.ground.stream();
  const limit = limited(OTHERS, operation.signal);
  operation.accept();
  let shown: string | undefined;
  const stop = stream.follow(task, (facts) => {
    shown = facts && `${facts.what}${facts.by === '' ? '' : `, started by ${facts.by},`}`;
    if (facts) operation.wait(`another task works on it: ${shown}`);
  });
  try {
    const end = await stream.ended(task, limit);
    operation.wait(undefined);
    // Its effect comes with the same answer of the stream, or with the next.
    const effect = end?.state === 'success' ? effectOf(end.what) : undefined;
    if (effect !== undefined) await operation.within(EFFECT, ({ power }) => power === effect);
    return operation.facts();
  } catch (reason: unknown) {
    if (operation.signal.aborted || !limit.aborted) throw reason;
    throw tooLong(operation, `${classifyFault(error.fault).message}; ${shown ?? task.id}`);
  } finally {
    stop();
  }
}

function tooLong(operation: WaitingOperation, task: string): PlatformError {
  const message = `VM ${operation.name()}: ${task} works on it for more than ${OTHERS / 1_000} s`;
  return new PlatformError('Transient', message);
}
