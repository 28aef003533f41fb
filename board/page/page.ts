/**
 * The page that the board and the report show: everything on it, in the order in which it is shown, without a word of HTML.
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
  /** Of a report: when what happened. */
  chart?: TierChart;
  /** Of a report: from the start of the run until every member was where it should be. */
  took?: number;
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
  /** What only an operator can change: a failing workflow task, a pause. */
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

/** One operation in a chart. */
export interface ChartSpan {
  /** When it was asked for. */
  from: number;
  /** When the power state was reached, where the platform tells. */
  powered?: number;
  to: number;
  end: 'Done' | 'GaveUp' | 'Dropped' | 'Open';
}

/** Times of one member in a chart. */
export interface ChartRow {
  name: string;
  isGroup?: true;
  mark: Mark;
  spans: ChartSpan[];
  /** When attempts failed, and why. */
  failures: { at: number; text: string }[];
  /** What its end waits for beyond the power state; absent: nothing. */
  gate?: string;
  /** Why it is not where it should be, or that it was in its state before the run. */
  note?: string;
}

/** Times of one tier in a chart. */
export interface TierChart {
  /** The span of the whole failover: the same for each tier of a tree. */
  from: number;
  to: number;
  /** Delays before the tier. */
  delays: { from: number; to: number }[];
  /** When the target of the tier is due; absent: it has none. */
  due?: number;
  rows: ChartRow[];
}

/** Recovery of one VM in a report. Times are milliseconds from the start of the failover. */
export interface RecoveryRow {
  group: string;
  name: string;
  /** From 0. */
  tier: number;
  mark: Mark;
  word: string;
  asked?: number;
  powered?: number;
  /** Until its gate was met; absent: it is not, or was before the run. */
  reached?: number;
  gate: string;
  /** Failed attempts. */
  failures: number;
  /** That of its tier, otherwise that of its run. */
  target?: Target;
  /** `reached` in the last run, and in the last rehearsal. */
  lastRun?: number;
  lastTest?: number;
}

/** Something in a report that did not go as planned. */
export interface ExceptionRow {
  group: string;
  member?: string;
  mark: Mark;
  /** In a word or two: `parked`, `overridden`, `retried`. */
  what: string;
  message: string;
}

/** A failover that this one is compared with. */
export interface Comparison {
  /** `the last run`, `the last rehearsal`. */
  with: string;
  runId: string;
  startedAt: number;
  outcome: string;
  /** Until everything was where it should be; absent: it was not. */
  took?: number;
  /** This one took longer (positive) or shorter; absent: one of them did not recover. */
  difference?: number;
  /** VMs that took longer or shorter, the largest difference first. */
  movers: { name: string; took: number; before: number }[];
  /** VMs in this one only, and in that one only. */
  added: string[];
  removed: string[];
}

/** What only a report has. */
export interface ReportPart {
  exceptions: ExceptionRow[];
  comparisons: Comparison[];
  recovery: RecoveryRow[];
  /** Where the facts come from. */
  sources: { group: string; runId: string; from: string }[];
  /** What is not known, such as a gap of the record. */
  gaps: string[];
}

/** The whole page. */
export interface Page {
  kind: 'Board' | 'Report';
  title: string;
  /** When it was made. */
  at: number;
  freshness: Freshness;
  trees: TreeItem[];
  attention: AttentionItem[];
  actions: ActionItem[];
  report?: ReportPart;
}
