/** Workflows whose histories the tests of replay write themselves. */
import { condition } from '@temporalio/workflow';

/** Fails its first workflow task. */
export async function fails(): Promise<void> {
  throw new TypeError('a field is missing');
}

/** Does nothing, and does not end. */
export function waits(): Promise<void> {
  return condition(() => false);
}
