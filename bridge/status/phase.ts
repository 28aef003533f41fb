/** The phase of a group, with the reason in a sentence. Pure. */
import { isSameDesired } from '../plans';
import { ALL_READY, unreadyText } from './conditions';
import type { StatusFacts } from './facts';
import type { GroupPhase, GroupView } from './view';

/** The phase of a group with `total` members. `unready`: why members are not ready, one text each. */
export function groupPhase(
  facts: StatusFacts,
  unready: string[],
  total: number,
): Pick<GroupView, 'phase' | 'message'> {
  const { run, plan, decision, contest } = facts;
  if (contest !== undefined) return { phase: 'Contested', message: contest };
  if (run.phase === 'Open') return openPhase(facts);
  const isReady = unready.length === 0;
  if (decision?.send && !isReady)
    return { phase: 'Pending', message: `a run is about to start: ${decision.why}` };
  if (!plan || plan.powerState === 'Unchanged')
    return { phase: 'Unmanaged', message: 'no power state: the power of the members is left alone' };
  if (isReady) return { phase: 'Converged', message: ALL_READY };
  const message = unreadyText(unready, total);
  if (facts.moving) return { phase: 'Pending', message };
  const last = run.phase === 'Closed' ? run.outcome : undefined;
  if (decision?.stopped) return { phase: last?.outcome ?? 'Cancelled', message: decision.why };
  const isLasting = last && isSameDesired(plan, last) && !RESTARTED.has(last.outcome);
  return { phase: isLasting ? last.outcome : 'OutOfSync', message };
}

/** Outcomes that do not explain why the group is out of its desired state now. */
const RESTARTED: ReadonlySet<GroupPhase> = new Set<GroupPhase>(['Converged', 'Superseded']);

function openPhase({ run, troubles: [trouble] }: StatusFacts): Pick<GroupView, 'phase' | 'message'> {
  const progress = run.phase === 'Open' ? run.progress : undefined;
  const message = trouble?.message ?? progress?.message ?? 'the run has not answered yet';
  return { phase: progress?.phase ?? 'Starting', message };
}
