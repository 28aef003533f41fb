/** What log lines and traces say about the run that this workflow executes. A workflow has modules of its own, so this is state of one run. */
import type { Payload } from '@temporalio/common';

/** What they say. */
export interface RunInForce {
  /** Of the plan in force; absent: no plan has come yet. */
  revision?: string;
  /** The trace context that came with the plan, as the client has written it; absent: the run is not traced. */
  trace?: Payload;
}

let inForce: RunInForce = {};

/** The run that this workflow executes. */
export function runInForce(): Readonly<RunInForce> {
  return inForce;
}

/** Another plan is in force. */
export function noteRevision(revision: string): void {
  if (inForce.revision !== revision) inForce = { ...inForce, revision };
}

/** What the run does from now on belongs to this trace. */
export function noteTrace(trace: Payload): void {
  inForce = { ...inForce, trace };
}
