/**
 * Calls that a platform refuses because a greater sequence is recorded there. Sequences follow the clock of the Temporal server, so a clock
 * that was once ahead leaves records that outrank later calls. Pure.
 */
import { MAX_SEQUENCE } from '../contract';
import type { OperationFailure } from './state';

/** How often in a row a run repeats a call that a record of its own group outranks. After that the member is parked for an operator. */
export const MAX_OUTRANKED = 3;

/** The record that outranks a call with this sequence; undefined if the call failed for another reason. */
export function outranks(
  { recorded }: OperationFailure,
  sequence: number,
): OperationFailure['recorded'] | undefined {
  return recorded && recorded.sequence > sequence && recorded.sequence < MAX_SEQUENCE ? recorded : undefined;
}
