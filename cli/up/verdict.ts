/** Whether all groups are done, and how they ended. Pure. */
import type { Problem } from '../../api';
import type { GroupPhase, GroupView } from '../../bridge';
import { counted } from '../output';
import { EXIT } from '../errors';
import { groupName } from '../groups';

/** How the groups ended. */
export interface Verdict {
  exitCode: number;
  message: string;
}

/** The verdict on all groups; undefined while a group has something left to do, or waits for an operator. */
export function verdictOf(views: GroupView[], problems: readonly Problem[]): Verdict | undefined {
  const managed = views.filter(({ phase }) => phase !== 'Unmanaged');
  if (managed.some(({ phase }) => !isDone(phase))) return undefined;
  const failed = managed.filter(({ phase }) => isFailed(phase));
  if (failed.length > 0) return { exitCode: EXIT.failed, message: `not converged: ${named(failed)}` };
  const errors = problems.filter(({ severity }) => severity === 'Error').length;
  if (errors > 0)
    return {
      exitCode: EXIT.failed,
      message: `converged, but ${counted(errors, 'error')} in manifests keep objects from being used`,
    };
  const excepted = managed.filter(({ phase }) => phase !== 'Converged');
  if (excepted.length > 0)
    return { exitCode: EXIT.exceptions, message: `converged with exceptions: ${named(excepted)}` };
  return {
    exitCode: EXIT.ok,
    message: `converged: ${managed.length === 1 ? 'the group' : `all ${managed.length} groups`}`,
  };
}

function isFailed(phase: GroupPhase): boolean {
  return phase === 'Failed' || phase === 'Cancelled' || phase === 'Invalid';
}

function isDone(phase: GroupPhase): boolean {
  switch (phase) {
    case 'Converged':
    case 'ConvergedWithExceptions':
    case 'Failed':
    case 'Cancelled':
    case 'OutOfSync':
    case 'Unmanaged':
    case 'Invalid':
      return true;
    case 'Superseded':
    case 'Starting':
    case 'Pending':
    case 'Placing':
    case 'PoweringOn':
    case 'PoweringOff':
    case 'Suspending':
    case 'Waiting':
    case 'Paused':
      return false;
  }
}

function named(views: GroupView[]): string {
  return views.map((view) => `${groupName(view)} (${view.phase}: ${view.message})`).join(', ');
}
