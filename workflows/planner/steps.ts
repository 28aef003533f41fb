/** What a run does next, and the activities that it schedules for it: how each is named, and what it is for. Pure. */
import type { PowerState } from '../../api';
import { own } from '../../api/own';
import { fitText } from '../../api/text';
import type {
  Activities,
  ConfirmInput,
  FindEndedGroupsInput,
  PlaceInput,
  Plan,
  PowerGroupInput,
  PowerInput,
  ReleaseInput,
  RunOutcome,
} from '../../contract';
import type { Run } from '../state';

/** One activity to schedule. `platform`: name of the platform whose workers take it; absent: those of the workflow. */
export type Start = { activityId: string; summary: string; platform?: string } & (
  | { activity: 'powerOn' | 'powerOff' | 'suspend'; input: PowerInput }
  | { activity: 'powerGroup'; input: PowerGroupInput }
  | { activity: 'awaitGroup'; input: PowerGroupInput }
  | { activity: 'place'; input: PlaceInput }
  | { activity: 'release'; input: ReleaseInput }
  | { activity: 'confirm'; input: ConfirmInput }
  | { activity: 'findEndedGroups'; input: FindEndedGroupsInput }
);

/** The work that an activity is scheduled for. */
export type Work =
  | ConfirmInput
  | { activity: 'release'; input: ReleaseInput }
  | { activity: 'findEndedGroups'; input: FindEndedGroupsInput };

/** The work of an activity. That of `confirm` is what it confirms, that of `awaitGroup` is `powerGroup`. */
export function workOf(start: Start): Work {
  switch (start.activity) {
    case 'confirm':
      return start.input;
    case 'powerGroup':
    case 'awaitGroup':
      return { activity: 'powerGroup', input: start.input };
    default:
      return start;
  }
}

/** What a run does next. */
export interface NextSteps {
  /** The state after these steps. */
  run: Run;
  /** Ids of the activities to cancel: the run no longer waits for them. */
  cancel: string[];
  /** Activities to schedule, in order. */
  start: Start[];
  /** The end of the running delay: ask for the next steps then. */
  wake?: { at: number; summary: string };
  /** When to search for nested runs that have ended without notifying this one. */
  search?: { at: number; summary: string };
  /** The run is over. */
  outcome?: RunOutcome;
}

/** Longest summary that Temporal takes, in bytes. */
const LONGEST_SUMMARY = 200;

/** How each power state is spelled: in activity ids, in summaries, as activity type. */
export const VERBS = {
  PoweredOn: { verb: 'power-on', words: 'power on', activity: 'powerOn' },
  PoweredOff: { verb: 'power-off', words: 'power off', activity: 'powerOff' },
  Suspended: { verb: 'suspend', words: 'suspend', activity: 'suspend' },
} as const satisfies Record<PowerState, { verb: string; words: string; activity: keyof Activities }>;

/** @throws TypeError for a run that leaves power alone: none of its members is ever started. */
export function powerStateOf({ namespace, name, powerState }: Plan): PowerState {
  if (powerState === 'Unchanged') throw new TypeError(`${namespace}/${name} leaves power alone`);
  return powerState;
}

/** An activity id that has not been used in this run: two open activities with one id would wedge the workflow. */
export function nextId(run: Run, base: string): string {
  const used = (own(run.activityIds, base) ?? 0) + 1;
  run.activityIds[base] = used;
  return used === 1 ? base : `${base}/${used}`;
}

/** The same activity, for a worker that says whose result it is. */
export function confirming({ activityId, summary, platform, ...rest }: Start & ConfirmInput): Start {
  return {
    activityId,
    activity: 'confirm',
    summary: shorten(`confirm: ${summary}`),
    ...(platform !== undefined && { platform }),
    input: rest,
  };
}

/** A summary, cut to what Temporal takes. */
export function shorten(text: string): string {
  return fitText(text, LONGEST_SUMMARY);
}
