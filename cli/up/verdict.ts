/** Whether all groups are done, and how they ended. Pure. */
import type { Problem } from '../../api';
import type { GroupPhase, GroupView } from '../../bridge';
import { EXIT } from '../errors';
import { groupName } from '../groups';
import { counted, firstNames } from '../output';

/** How the groups ended. */
export interface Verdict {
  exitCode: number;
  message: string;
}

/** Whether a group in this phase has nothing left to do, and waits for no operator. */
const IS_DONE: Readonly<Record<GroupPhase, boolean>> = {
  Converged: true,
  ConvergedWithExceptions: true,
  Failed: true,
  Cancelled: true,
  OutOfSync: true,
  Unmanaged: true,
  Invalid: true,
  Contested: true,
  Superseded: false,
  Starting: false,
  Pending: false,
  Placing: false,
  PoweringOn: false,
  PoweringOff: false,
  Suspending: false,
  Waiting: false,
  Paused: false,
};

/** The verdict on all groups; undefined while a group has something left to do, or waits for an operator. */
export function verdictOf(views: GroupView[], problems: readonly Problem[]): Verdict | undefined {
  const managed = views.filter(({ phase }) => phase !== 'Unmanaged');
  if (managed.some(({ phase }) => !IS_DONE[phase])) return undefined;
  const failed = managed.filter(({ phase }) => isFailed(phase));
  if (failed.length > 0) return { exitCode: EXIT.failed, message: `not converged: ${named(failed)}` };
  const errors = problems.filter(({ severity }) => severity === 'Error').length;
  if (errors > 0)
    return {
      exitCode: EXIT.failed,
      message: `converged, but manifests have ${counted(errors, 'error')}, and objects with errors are not used`,
    };
  const excepted = managed.filter(({ phase }) => phase !== 'Converged');
  if (excepted.length > 0)
    return { exitCode: EXIT.exceptions, message: `converged with exceptions: ${named(excepted)}` };
  return {
    exitCode: EXIT.ok,
    message:
      managed.length === 0
        ? 'nothing to do: no group has a power state'
        : `converged: ${managed.length === 1 ? managed.map(groupName).join() : `all ${managed.length} groups`}`,
  };
}

function isFailed(phase: GroupPhase): boolean {
  return phase === 'Failed' || phase === 'Cancelled' || phase === 'Invalid';
}

function named(views: GroupView[]): string {
  return firstNames(views.map((view) => `${groupName(view)} (${view.phase}: ${view.message})`));
}
