/**
 * Solves in worker threads, so that the event loop is not blocked: a search takes seconds of CPU, while heartbeats and leases have to be renewed.
 *
 * THREADS-1: at most {@link THREADS} problems are solved at once in a process; the others wait.
 * THREADS-2: a signal that aborts ends the thread, so an answer that no caller waits for costs no CPU.
 * THREADS-3: idle threads keep no process alive, and end after {@link IDLE}.
 */
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import PQueue from 'p-queue';
import { asError } from '../../api/unknown';
import type { PlacementAnswer, PlacementProblem } from '../problem';

/** Solves a problem. Rejects with the reason of `signal` once it aborts. */
export type Solve = (problem: PlacementProblem, signal?: AbortSignal) => Promise<PlacementAnswer>;

/** What a thread answers to a problem. */
export type ThreadReply = { answer: PlacementAnswer } | { error: string };

/** Problems that are solved at once. */
const THREADS = 2;

/** Milliseconds for which a thread without work is kept: starting one takes longer than solving a small problem. */
const IDLE = 10_000;

const queue = new PQueue({ concurrency: THREADS });
/** Threads without work, each with the function that takes it out of here. */
const idle = new Map<Worker, () => void>();

/**
 * `solveChecked` in a thread of this process.
 *
 * @throws Error where `solveChecked` throws one, or where the thread died.
 */
export const solveInThread: Solve = (problem, signal) =>
  queue.add(() => solveIn(takeThread(), problem, signal), signal && { signal });

function solveIn(worker: Worker, problem: PlacementProblem, signal?: AbortSignal): Promise<PlacementAnswer> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      worker.off('message', onReply).off('error', fail).off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const fail = (error: unknown): void =>
      finish(() => {
        // It may still fail while it ends.
        worker.on('error', () => undefined);
        void worker.terminate();
        reject(asError(error));
      });
    const onExit = (code: number): void =>
      fail(new Error(`the placement thread ended with exit code ${code}`));
    const onAbort = (): void => fail(signal?.reason);
    const onReply = (reply: ThreadReply): void =>
      finish(() => {
        keepThread(worker);
        if ('answer' in reply) resolve(reply.answer);
        else reject(new Error(reply.error));
      });
    worker.on('message', onReply).on('error', fail).on('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    else worker.postMessage(problem);
  });
}

/** An idle thread that still lives, else a new one. */
function takeThread(): Worker {
  for (const [worker, drop] of idle) {
    drop();
    worker.ref();
    return worker;
  }
  return startThread();
}

function keepThread(worker: Worker): void {
  const drop = (): void => {
    clearTimeout(timer);
    worker.off('error', drop).off('exit', drop);
    idle.delete(worker);
  };
  const end = (): void => {
    drop();
    void worker.terminate();
  };
  const timer = setTimeout(end, IDLE).unref();
  worker.on('error', drop).on('exit', drop).unref();
  idle.set(worker, drop);
}

/** From source there is no compiled file for the thread: it loads the source as its process does, through tsx. */
function startThread(): Worker {
  const extension = path.extname(__filename);
  const file = path.join(__dirname, `thread${extension}`);
  return extension === '.ts'
    ? new Worker(file, { execArgv: ['--require', require.resolve('tsx/cjs')] })
    : new Worker(file);
}
