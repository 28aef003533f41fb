/**
 * The page that a board shows: everything on it, in the order in which it is shown, without a word of HTML.
 *
 * Times are milliseconds since the epoch, durations are milliseconds.
 */

/** How something is marked: each with a shape, a word and a colour of its own. */
export type Mark =
  /** Its turn has not come. */
  | 'Waiting'
  /** It may start, and waits for a slot or for placement. */
  | 'Queued'
  | 'Working'
  | 'Done'
  /** An operator has to act. */
  | 'Parked'
  /** It does not exist, or is no member. */
  | 'Missing'
  /** Left as it is, by an operator or by policy. */
  | 'SetAside';

/** A target and how it is kept. */
export interface Target {
  /** Recovery time objective, from the start of the run. */
  rto: number;
  /** Time from the start of the run until everything was up; absent: it is not. */
  took?: number;
  /** `Open`: neither met nor missed yet. */
  verdict: 'Met' | 'Missed' | 'Open';
}

/** When something is expected to be done, from past runs. */
export interface Forecast {
  /** By the medians and by the 90th percentiles of the past runs; absent: `why` says why. */
  median?: number;
  p90?: number;
  /** Past runs that it is made from. */
  runs: number;
  why?: string;
}

/** One member of a tier. */
export interface MemberItem {
  name: string;
  isGroup?: true;
  mark: Mark;
  /** Its state in one or two words: `up`, `powering on`. */
  word: string;
  /** What it waits for, or why it is as it is. */
  detail?: string;
  /** Counts up. */
  since?: number;
  /** Counts down: when the next attempt is due. */
  until?: number;
  /** Attempts so far, from 2. */
  attempts?: number;
  error?: string;
}

/** Where a tier stands. */
export interface TierItem {
  /** From 0; absent: which members are in which tier is not known, and this has all of them. */
  index?: number;
  mark: Mark;
  word: string;
  /** End of the delay before it. */
  until?: number;
  done: number;
  total: number;
  target?: Target;
  forecast?: Forecast;
  members: MemberItem[];
}

/** How many members stand where. */
export type Counts = Readonly<Record<Mark, number>>;

/** One group. */
export interface GroupItem {
  /** `namespace/name`. */
  name: string;
  /** 0 for the topmost one. */
  depth: number;
  mark: Mark;
  /** Phase or outcome, in the words of the product. */
  phase: string;
  message: string;
  startedAt?: number;
  endedAt?: number;
  /** Page of its run in the Temporal UI. */
  runUrl?: string;
  /** What nobody but an operator can change: a failing workflow task, a pause. */
  warnings: string[];
  tiers: TierItem[];
}

/** A topmost group with the groups below it. */
export interface TreeItem {
  name: string;
  mark: Mark;
  /** Where it stands, in one sentence. */
  sentence: string;
  /** Its run is a rehearsal. */
  isTest?: true;
  counts: Counts;
  startedAt?: number;
  endedAt?: number;
  target?: Target;
  forecast?: Forecast;
  groups: GroupItem[];
}

/** Something that waits for an operator. */
export interface AttentionItem {
  group: string;
  member?: string;
  mark: Mark;
  /** What is wrong, in a few words: `Transient, 5 attempts`. */
  what: string;
  message: string;
  since?: number;
  /** Commands that help, the best one first. */
  commands: string[];
}

/** What a person or a client did. */
export interface ActionItem {
  at: number;
  who: string;
  group: string;
  what: string;
  reason?: string;
}

/** Whether a board is up to date. */
export type Freshness = { state: 'Live' } | { state: 'Stale'; since: number; why: string };

/** The whole page. */
export interface Page {
  title: string;
  /** When it was made. */
  at: number;
  freshness: Freshness;
  trees: TreeItem[];
  attention: AttentionItem[];
  actions: ActionItem[];
}
