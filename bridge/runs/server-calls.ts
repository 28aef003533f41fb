/** Calls to the Temporal server: their time limits, and why they failed. */
import { status as grpcStatus } from '@grpc/grpc-js';
import { WorkflowNotFoundError } from '@temporalio/client';

/** Resolves to undefined for a workflow that the server does not know, or that has ended. */
export async function unlessMissing<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch (error: unknown) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Whether an error has this code of gRPC. */
export function isStatus(error: unknown, code: grpcStatus): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** For a call that no server has answered. */
const UNANSWERED: ReadonlySet<unknown> = new Set([
  grpcStatus.CANCELLED,
  grpcStatus.DEADLINE_EXCEEDED,
  grpcStatus.UNAVAILABLE,
]);

/** Whether a call failed because no server answered it; one that refuses it does. */
export function isUnanswered(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return !(cause instanceof Error && 'code' in cause) || UNANSWERED.has(cause.code);
}

/** Thrown if a call was not answered in time. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/**
 * Makes a call under its own signal, which aborts with `signal` and after `longest` milliseconds; rejects then. Temporal's client never removes
 * its listeners from a signal, and each keeps its call in memory, so no signal may live longer than a few calls. `AbortSignal.any` does not
 * help: Node keeps its result for as long as it has listeners.
 */
export async function abortable<T>(
  signal: AbortSignal,
  longest: number,
  make: (own: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const abort = (): void => own.abort();
  // Raced too: a call that the client retries after an outage ignores its signal.
  const aborted = new Promise<never>((_, reject) => {
    own.signal.addEventListener('abort', () => reject(new NoAnswer(`no answer within ${longest / 1000} s`)), {
      once: true,
    });
  });
  const timer = setTimeout(abort, longest);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([make(own.signal), aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
