/**
 * The last run of a group from Temporal, and the view of the group with it. Pure.
 *
 * RUN-VIEW-1: if the CustomResourceDefinition has no place for runs, phase and run come from Temporal; conditions always come from the
 *     status.
 * RUN-VIEW-2: a run of another group of the same name is not shown.
 */
import type { GroupPhase, GroupView, RunView } from '../../bridge';
import type { StoredGroup } from './stored-group';
import * as lazy from '../lazy';
import { needsNewRun } from './view';

/** A run as Temporal returned it. */
export interface LastRun extends RunView {
  /** From the search attribute, in case the run does not answer queries. */
  phase?: GroupPhase;
}

/** The run that was last read for a group. */
export interface KnownRun {
  /** The status of the group at that time: {@link statusText}. */
  status: string;
  /** Absent: Temporal knew no run. */
  run?: LastRun;
}

/** Whether Temporal may know more about the group's run than was last read. */
export function mayBeOutdated({ view, lacksRun }: StoredGroup, known: KnownRun | undefined): boolean {
  if (view.run && view.run.endedAt === undefined) return true;
  if (!lacksRun) return false;
  if (!known || known.status !== statusText(view)) return true;
  return isOpen(known.run) || !isReady(view);
}

/** The status of a view as text, to compare with a later one. */
export function statusText({ status }: GroupView): string {
  return JSON.stringify(status);
}

/** The view, completed by the run that Temporal returned. */
export function withRun({ view, lacksRun }: StoredGroup, last: LastRun | undefined): GroupView {
  if (!last || !belongsTo(view, last)) return view;
  const { phase: attribute, ...run } = last;
  const { progress, health } = run;
  if (lacksRun) return { ...view, ...phaseAndMessage(view, last), run };
  // The status will say soon that the run ended.
  if (!view.run || view.run.endedAt !== undefined || !isOpen(last)) return view;
  return {
    ...view,
    ...(progress && { phase: progress.phase, message: progress.message }),
    run: { ...view.run, ...(progress && { progress }), ...(health && { health }) },
  };
}

/** RUN-VIEW-2. A run that does not answer cannot be told from another group's. */
function belongsTo({ metadata }: GroupView, { progress, outcome }: LastRun): boolean {
  const lineage = progress?.lineage ?? outcome?.lineage;
  return lineage === undefined || lineage.split('/').at(-1) === metadata.uid;
}

function phaseAndMessage(view: GroupView, last: LastRun): Pick<GroupView, 'phase' | 'message'> {
  if (isOpen(last)) {
    const { progress, phase = 'Starting' } = last;
    return progress ?? { phase, message: 'the run does not answer' };
  }
  if (!needsNewRun(view.phase)) return view;
  // No run starts by itself: the outcome says why.
  const { outcome } = last;
  if (!outcome)
    return {
      phase: 'Cancelled',
      message: `ended from outside (${lazy.bridge().endText(last)}): ${view.message}`,
    };
  return needsNewRun(outcome.outcome) ? { phase: outcome.outcome, message: view.message } : view;
}

function isOpen(run: LastRun | undefined): boolean {
  return run !== undefined && run.endedAt === undefined;
}

function isReady({ metadata, status }: GroupView): boolean {
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && status.observedGeneration >= metadata.generation;
}
