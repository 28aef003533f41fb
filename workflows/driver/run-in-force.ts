/** What log lines tell of the run that this workflow executes. A workflow has modules of its own, so this is state of one run. */

/** What is told. */
export interface RunInForce {
  /** Of the plan in force; absent: no plan has come yet. */
  revision?: string;
}

let inForce: RunInForce = {};

/** The run that this workflow executes. */
export function runInForce(): Readonly<RunInForce> {
  return inForce;
}

/** Another plan is in force. */
export function noteRevision(revision: string): void {
  inForce = { revision };
}
