/**
 * What the end of an activity means. A person may complete or fail any activity by hand, with any result: only a result that names its
 * own operation counts (OPERATIONS-1). Pure.
 */
import type { Attempt, MemberKey, PlacementResult, VirtualMachineRef } from '../contract';
import { CHANGES, type Uses } from './changes';
import { workOf, type Start } from './planner';
import type { OperationResult } from './operations';
import { parse, type Parsed } from './schemas';
import type { OperationFailure } from './state';

/** A result that counts, or why it does not. */
export type Read<T> = { result: T } | { unconfirmed: string };

/** A nested run that takes longer than an activity waits for it. */
export interface Waiting {
  waiting: { runId: string; failures: readonly Attempt[] };
}

/** Reads the result of an activity that operates one member. */
export function readOperation(start: Start, raw: unknown, uses: Uses): Read<OperationResult> | Waiting {
  const work = workOf(start);
  if (work.activity === 'powerGroup') {
    const waiting = parse('powerGroupWaiting', raw);
    if ('value' in waiting && waiting.value.operation === work.input.operation && uses(CHANGES.waitsIdle)) {
      const { waiting: run, failures } = waiting.value;
      return { waiting: { runId: run.runId, failures } };
    }
    const read = confirmed(parse('powerGroup', raw), work.input.operation, uses);
    if ('unconfirmed' in read) return read;
    return { result: { kind: 'VirtualMachineGroup', outcome: read.result.outcome } };
  }
  if (work.activity === 'place' || work.activity === 'release' || work.activity === 'findEndedGroups')
    throw new TypeError(`${start.activityId} operates no member`);
  const read = confirmed(parse('power', raw), work.input.operation.id, uses);
  if ('unconfirmed' in read) return read;
  const { status, acted, probed } = read.result;
  if (probed === undefined && work.input.gate === 'Probe' && work.input.powerState === 'PoweredOn')
    return {
      unconfirmed: 'its result does not say that the probe has succeeded: its worker is of an older build',
    };
  return { result: { kind: 'VirtualMachine', status, acted } };
}

/** Reads the result of a call for places. */
export function readPlaces(start: Start, raw: unknown, uses: Uses): Read<PlacementResult[]> {
  const read = confirmed(parse('place', raw), operationOf(start), uses);
  if ('result' in read) return { result: read.result.results };
  const before = parse('placeBefore', raw);
  return 'value' in before && !uses(CHANGES.resultsConfirmed) ? { result: before.value } : read;
}

/** Reads the result of a call that gives places back. */
export function readRelease(start: Start, raw: unknown, uses: Uses): Read<VirtualMachineRef[]> {
  const read = confirmed(parse('release', raw), operationOf(start), uses);
  if ('result' in read) return { result: read.result.free };
  const before = parse('releaseBefore', raw);
  return 'value' in before && !uses(CHANGES.resultsConfirmed) ? { result: before.value } : read;
}

/** Reads which nested runs were found to have ended. */
export function readEndedGroups(start: Start, raw: unknown): Read<MemberKey[]> {
  const parsed = parse('findEndedGroups', raw);
  if ('why' in parsed) return { unconfirmed: `its result cannot be read: ${parsed.why}` };
  if (parsed.value.operation === start.activityId) return { result: parsed.value.ended };
  return { unconfirmed: 'its result does not name its operation: it was completed by hand' };
}

function operationOf(start: Start): string | undefined {
  const { activity, input } = workOf(start);
  return activity === 'place' || activity === 'release' ? input.operation : undefined;
}

/** A result of this operation; one that names none is of an older build's worker, or of a person. */
function confirmed<T extends { operation?: string }>(
  parsed: Parsed<T>,
  operation: string | undefined,
  uses: Uses,
): Read<T> {
  if ('why' in parsed) return { unconfirmed: `its result cannot be read: ${parsed.why}` };
  if (parsed.value.operation === operation && operation !== undefined) return { result: parsed.value };
  if (parsed.value.operation === undefined && !uses(CHANGES.resultsConfirmed))
    return { result: parsed.value };
  return { unconfirmed: 'its result does not name its operation: it was completed by hand' };
}

/** Class of a failure that names none, as an activity has that is failed by hand. */
const UNCLASSED = 'ActivityFailed';

/** Reads an activity's last failure. */
export function readFailure(
  type: string | undefined | null,
  message: string,
  details: unknown,
): OperationFailure {
  const failure: OperationFailure = {
    class: type || UNCLASSED,
    message: message || 'the activity was failed by hand without a message',
    failures: [],
  };
  const parsed = parse('giveUp', details);
  if ('why' in parsed) return failure;
  const { failures, recorded } = parsed.value;
  return { ...failure, failures, ...(recorded && { recorded }) };
}
