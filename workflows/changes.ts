/**
 * Behaviour that came after the first runs were recorded. A run that an older build has begun continues without it: with it, its replay would
 * differ from its history.
 *
 * The planner asks only where the behaviours differ, so a run that never meets the difference has no marker in its history.
 */
export const CHANGES = {
  /** A run that is ended gives back the places that were only promised. */
  givesBack: 'ended-runs-give-places-back',
  /** A VM that has its place is started while others still wait for theirs. */
  placedStart: 'placed-members-start',
  /** An open operation whose mode, gate or times were changed is replaced by one with the new settings. */
  settingsFollow: 'operations-follow-settings',
  /** Places are asked for again once fewer are needed, or once no parent has settled them. */
  placesFollow: 'places-follow-decisions',
  /** A result that does not name its operation, or an outcome of another plan, is confirmed before it counts. */
  resultsConfirmed: 'results-are-confirmed',
  /** Cancelling the workflow ends the run like `abort`. */
  cancelEnds: 'cancellation-ends-the-run',
  /** A parent's run waits for a nested one without an open activity; the nested run notifies it. */
  waitsIdle: 'parents-wait-without-an-activity',
  /** Of two plans of a parent's run the one of the later operation counts, whatever their generations. */
  parentsOrder: 'parents-order-their-plans',
  /** Of observations without versions the bridge says which is newer; their times are not compared. */
  reportsOrder: 'reports-are-ordered-by-the-bridge',
  /** A run that a new desired state continues after a cancellation no longer ends once it learns who cancelled it. */
  cancelledContinue: 'cancelled-runs-continue',
  /** The end of a nested run counts also if its notification comes before the activity has returned `waiting`. */
  endsKept: 'early-ends-are-kept',
  /** Of a VM that was deleted, or replaced by another one of its name, neither what was observed nor its place counts. */
  replacedForgotten: 'replaced-vms-are-forgotten',
  /** A paused run does not end while VMs wait for a place. */
  pausedPlaces: 'paused-runs-wait-for-places',
  /** A changed desired state, a force sync or a request brings back a VM whose drift the policy leaves alone. */
  driftForgiven: 'drift-is-forgiven',
  /** The `abort` of a parent ends a run that has failed and waits for the end of what is open. */
  failingAborted: 'failing-runs-are-aborted',
  /** What an operator command sends after a cancellation of the workflow still gets out: relays to nested groups, and answers. */
  commandsShielded: 'commands-outlast-cancellations',
  /** A member that joins may be one that left in the middle of its operation: it is operated before what was observed of it counts. */
  joiningChecked: 'joining-members-are-checked',
  /** A VM of which the platform could not say whether it has it is operated: it does not count as off. */
  unseenOperated: 'unseen-vms-are-operated',
} as const;

/** Id of one change, as the history has it. */
export type Change = (typeof CHANGES)[keyof typeof CHANGES];

/** Whether this run may use a change: `patched` in the workflow. */
export type Uses = (change: Change) => boolean;

/** For runs that have no history: forecasts and tests. */
export const usesAll: Uses = () => true;
