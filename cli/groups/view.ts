/** Small questions about the view of a group. Pure. */
import type { GroupView } from '../../bridge';
import { elapsed } from '../output';

const NEEDS_NEW_RUN: ReadonlySet<string> = new Set<GroupView['phase']>([
  'Cancelled',
  'Failed',
  'ConvergedWithExceptions',
  'OutOfSync',
]);

/** Whether a group in this phase is not in its desired state, and starts no run by itself. */
export function needsNewRun(phase: string): boolean {
  return NEEDS_NEW_RUN.has(phase);
}

/** `namespace/name` of a group. */
export function groupName({ metadata }: GroupView): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** How long the group's run has taken so far, or took; undefined if the view has no run. */
export function runTime({ run }: GroupView, now: number): string | undefined {
  return run && elapsed((run.endedAt ?? now) - run.startedAt);
}
