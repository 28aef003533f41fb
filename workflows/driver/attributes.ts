/** The search attributes of a run: one command if something changed, none otherwise. */
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { type RunOutcome, searchAttributeKeys } from '../../contract';
import { parkedMembers, runPhase } from '../progress';
import { fitParked } from '../size';
import type { Run } from '../state';

interface Attributes {
  phase: string;
  powerState: string;
  parked: string[];
}

/** Keeps the search attributes of this workflow up to date. */
export class ShownAttributes {
  #last = startedWith();

  /** Shows where a run stands, or how it ended. */
  show(run: Run, outcome?: RunOutcome): void {
    const next = attributesOf(run, outcome);
    if (JSON.stringify(next) === JSON.stringify(this.#last)) return;
    this.#last = next;
    upsertSearchAttributes([
      { key: searchAttributeKeys.phase, value: next.phase },
      { key: searchAttributeKeys.powerState, value: next.powerState },
      { key: searchAttributeKeys.parked, value: next.parked.length > 0 ? next.parked : null },
    ]);
  }
}

function attributesOf(run: Run, outcome?: RunOutcome): Attributes {
  const phase = runPhase(run);
  return {
    // Placement is short and shows on the timeline: no command for it.
    phase: outcome?.outcome ?? (phase === 'Placing' ? 'PoweringOn' : phase),
    powerState: run.plan.powerState,
    parked: fitParked(parkedMembers(run)),
  };
}

/** What the starter of the run has set already. */
function startedWith(): Attributes {
  const { typedSearchAttributes: given } = workflowInfo();
  return {
    phase: given.get<'KEYWORD'>(searchAttributeKeys.phase) ?? '',
    powerState: given.get<'KEYWORD'>(searchAttributeKeys.powerState) ?? '',
    parked: given.get<'KEYWORD_LIST'>(searchAttributeKeys.parked) ?? [],
  };
}
