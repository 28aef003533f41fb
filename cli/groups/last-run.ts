/**
 * The last run of a group as Temporal knows it, and the view of the group with it. Pure.
 *
 * RUN-VIEW-1: on definitions without room for runs, phase and run come from Temporal; conditions are those of the status in any case.
 * RUN-VIEW-2: a run of another group of the same name is not shown.
 */
import type { GroupPhase, GroupView, RunView } from '../../bridge';
import { WANTS_ASKING } from './group-text';

/** A group as its object shows it. */
export interface StoredGroup {
  view: GroupView;
  /** The CustomResourceDefinition has no place for `status.run`, as that of VM Operator. */
  lacksRun: boolean;
}

/** A run that Temporal was asked for. */
export interface LastRun extends RunView {
  /** Of the search attribute; for a run that does not answer. */
  phase?: GroupPhase;
}

/** What was read of a group before. */
export interface KnownRun {
  /** The status at that time, as text. */
  status: string;
  run?: LastRun;
}

/** Whether Temporal may know more about the group's run than was read before. */
export function isWorthAsking({ view, lacksRun }: StoredGroup, known: KnownRun | undefined): boolean {
  if (view.run && view.run.endedAt === undefined) return true;
  if (!lacksRun) return false;
  if (!known || known.status !== statusText(view)) return true;
  return isOpen(known.run) || !isReady(view);
}

/** The status of a view as text, for {@link KnownRun}. */
export function statusText({ status }: GroupView): string {
  return JSON.stringify(status);
}

/** The view with what Temporal says of the run. */
export function withRun({ view, lacksRun }: StoredGroup, last: LastRun | undefined): GroupView {
  if (!last || !isOf(view, last)) return view;
  const { phase: attribute, ...run } = last;
  const { progress, health } = run;
  if (lacksRun) return { ...view, ...standing(view, last), run };
  // The status is about to say that the run ended.
  if (!view.run || view.run.endedAt !== undefined || !isOpen(last)) return view;
  return {
    ...view,
    ...(progress && { phase: progress.phase, message: progress.message }),
    run: { ...view.run, ...(progress && { progress }), ...(health && { health }) },
  };
}

/** RUN-VIEW-2. A run that does not answer says nothing of whose it is. */
function isOf({ metadata }: GroupView, { progress, outcome }: LastRun): boolean {
  const lineage = progress?.lineage ?? outcome?.lineage;
  return lineage === undefined || lineage.split('/').at(-1) === metadata.uid;
}

function standing(view: GroupView, last: LastRun): Pick<GroupView, 'phase' | 'message'> {
  if (isOpen(last)) {
    const { progress, phase = 'Starting' } = last;
    return progress ?? { phase, message: 'the run does not answer' };
  }
  if (!WANTS_ASKING.has(view.phase)) return view;
  // Nothing starts by itself: the outcome says why.
  const { outcome, closedAs = 'unknown' } = last;
  if (!outcome) return { phase: 'Cancelled', message: `ended from outside (${closedAs}): ${view.message}` };
  return WANTS_ASKING.has(outcome.outcome) ? { phase: outcome.outcome, message: view.message } : view;
}

function isOpen(run: LastRun | undefined): boolean {
  return run !== undefined && run.endedAt === undefined;
}

function isReady({ metadata, status }: GroupView): boolean {
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && status.observedGeneration >= metadata.generation;
}
