/**
 * Calls that a platform refuses because it has a greater sequence on record. Sequences follow the Temporal server's clock, so a clock that
 * was ahead once leaves records that outrank every later call. Pure.
 */
import { MAX_SEQUENCE } from './schemas';
import type { OperationFailure } from './state';

/** How often in a row a run goes past a record of its own group by itself; after that an operator has to. */
export const MAX_OUTRANKED = 3;

/** The record that outranked a call with this sequence; undefined if the call failed for another reason. */
export function outranks(
  { recorded }: OperationFailure,
  sequence: number,
): OperationFailure['recorded'] | undefined {
  return recorded && recorded.sequence > sequence && recorded.sequence < MAX_SEQUENCE ? recorded : undefined;
}
