/**
 * A small world in which tests drive the planner: virtual time, VMs that take time to switch, and a record of what was asked when.
 */
import {
  type PlanMessage,
  type RunOutcome,
  type OperatorVerb,
  type Plan,
  type PowerGroupInput,
  type PlacementRequest,
  type PlacementResult,
  type ReleaseInput,
} from '../../contract';
import type { PowerState } from '../../api';
import { convergedOutcome } from '../../workflows/forecast/ends';
import { nextSteps, workOf, type NextSteps, type Start } from '../../workflows/planner';
import { awaitedGroups, endsFound, groupHasEnded } from '../../workflows/nested-runs';
import { attemptReported, operationDone, operationsEnded } from '../../workflows/operations';
import { placed, released } from '../../workflows/placing';
import { begin, receivePlan } from '../../workflows/plans';
import { membersOf, type Run } from '../../workflows/state';
import { refusalOf } from '../../workflows/command-checks';
import { applyCommand } from '../../workflows/operator-commands';
import { status } from './plans';

/**
 * What happens to an operation: it takes time, or it is given up after a time. A nested group's run may take longer than an activity waits
 * for it (a minute), and end without notifying its parent.
 */
export type Fate = ({ takes: number } | { failsAfter: number; class: string }) & { silent?: true };

/** Milliseconds that an activity waits for a nested run. */
const GROUP_WAIT = 60_000;

export interface Asked {
  at: number;
  activityId: string;
  member: string;
  activity: Start['activity'];
  powerState: Plan['powerState'];
}

interface Open {
  start: Start;
  endsAt: number;
  fate: Fate;
  /** It ends because the nested run with this id takes longer. */
  waits?: string;
}

interface NestedRun {
  member: string;
  endsAt: number;
  fate: Fate;
}

export class World {
  run: Run | undefined;
  now = 1_000_000;
  asked: Asked[] = [];
  cancelled: string[] = [];
  /** Activities that fence an earlier operation off. */
  fenced: string[] = [];
  /** What was asked to be given back. */
  released: ReleaseInput[] = [];
  timers: { at: number; until: number; summary: string }[] = [];
  outcome: RunOutcome | undefined;
  /** True power state of each VM. */
  states: Record<string, PowerState> = {};
  /** When each VM came into its state. */
  since: Record<string, number> = {};
  /** Names of the optional VMs for which there is no room. */
  full: string[] = [];
  #open: Open[] = [];
  #wake: { at: number; summary: string } | undefined;
  #search: { at: number; summary: string } | undefined;
  /** Nested runs that have not notified their parent, by id. */
  #nested: Record<string, NestedRun> = {};
  /** How often nested runs that have ended were searched for. */
  searches = 0;

  constructor(
    /** What happens to an operation, by activity id. */
    readonly fate: (activityId: string, start: Start) => Fate = () => ({ takes: 1000 }),
    /** Whether an operation that is cancelled had its effect already. */
    readonly cancelledTakesEffect: (activityId: string) => boolean = () => false,
    /** Called with the state after each decision. */
    readonly watch: (run: Run, decision: NextSteps) => void = () => undefined,
  ) {}

  get openIds(): string[] {
    return this.#open.map(({ start }) => start.activityId);
  }

  send(plan: Plan, more: Partial<PlanMessage> = {}): this {
    const message: PlanMessage = { plan, cause: 'SpecChanged', ...more };
    this.note(plan);
    this.run = this.run ? receivePlan(this.run, message, this.now) : begin(message, this.now);
    return this.step();
  }

  private note(plan: Plan): void {
    for (const { member } of membersOf(plan)) {
      if (member.plan) this.note(member.plan);
      else this.states[member.name] ??= member.observed?.powerState ?? 'PoweredOff';
    }
  }

  say(verb: OperatorVerb, member?: string): string | undefined {
    const word = { actor: 'alice', reason: 'test', ...(member === undefined ? {} : { member }) };
    const why = refusalOf(this.run, verb, word);
    if (why !== undefined) return why;
    if (!this.run) throw new Error('no run');
    this.run = applyCommand(this.run, verb, word, this.now).run;
    this.step();
    return undefined;
  }

  report(activityId: string, attempt: number): this {
    if (!this.run) throw new Error('no run');
    this.run = attemptReported(this.run, {
      activityId,
      attempt: { attempt, at: this.now, class: 'Transient', message: 'no answer', retryAt: this.now + 2000 },
    });
    return this.step();
  }

  /** Decides once, and carries the decision out. */
  step(): this {
    if (!this.run || this.outcome) return this;
    const decision: NextSteps = nextSteps(this.run, this.now);
    // Whatever the planner keeps must survive a journey through JSON.
    this.run = JSON.parse(JSON.stringify(decision.run)) as Run;
    for (const id of decision.cancel) {
      this.cancelled.push(id);
      this.effectOfCancelled(id);
      this.#open = this.#open.filter(({ start }) => start.activityId !== id);
    }
    this.watch(this.run, decision);
    for (const start of decision.start) this.open(start);
    if (decision.wake && decision.wake.at !== this.#wake?.at) {
      this.timers.push({ at: this.now, until: decision.wake.at, summary: decision.wake.summary });
    }
    this.#wake = decision.wake;
    this.#search = decision.search;
    this.outcome = decision.outcome;
    return this;
  }

  /** An operation that is given up may have had its effect already, unseen. */
  private effectOfCancelled(id: string): void {
    const open = this.#open.find(({ start }) => start.activityId === id);
    if (!open || !this.cancelledTakesEffect(id)) return;
    const { activity, input } = workOf(open.start);
    if (activity !== 'powerOn' && activity !== 'powerOff' && activity !== 'suspend') return;
    this.states[input.vm.name] = input.powerState;
    this.since[input.vm.name] = this.now;
  }

  private open(start: Start): void {
    if (this.openIds.includes(start.activityId)) throw new Error(`${start.activityId} is open twice`);
    const work = workOf(start);
    const isPower =
      work.activity !== 'place' && work.activity !== 'release' && work.activity !== 'findEndedGroups';
    const fate: Fate = isPower ? this.fate(start.activityId, start) : { takes: 0 };
    if (work.activity === 'findEndedGroups') this.searches += 1;
    const member = isPower ? (start.activityId.split('/')[1] ?? '') : '';
    if (work.activity === 'release') this.released.push(work.input);
    if (isPower && start.activity !== 'awaitGroup') {
      const powerState = work.activity === 'powerGroup' ? work.input.plan.powerState : work.input.powerState;
      const key = work.activity === 'powerGroup' ? `VirtualMachineGroup/${work.input.plan.name}` : member;
      this.asked.push({
        at: this.now,
        activityId: start.activityId,
        member: key,
        activity: start.activity,
        powerState,
      });
    }
    if ('fence' in work.input && work.input.fence) this.fenced.push(start.activityId);
    if (work.activity === 'powerGroup') this.openNested(start, work.input, fate);
    else this.#open.push({ start, fate, endsAt: this.now + lengthOf(fate) });
  }

  /** Asks a nested run, or waits for the one that was asked. */
  private openNested(start: Start, { runId, member = '' }: PowerGroupInput, fate: Fate): void {
    const id = runId ?? `run-${Object.keys(this.#nested).length}`;
    const nested = (this.#nested[id] ??= { member, fate, endsAt: this.now + lengthOf(fate) });
    const left = Math.max(0, nested.endsAt - this.now);
    const open: Open = { start, fate: nested.fate, endsAt: this.now + Math.min(left, GROUP_WAIT) };
    this.#open.push(left > GROUP_WAIT ? { ...open, waits: id } : open);
  }

  /** Nested runs that have ended notify their parent, once. */
  private notify(): void {
    for (const [runId, { member, endsAt, fate }] of Object.entries(this.#nested)) {
      if (endsAt > this.now || fate.silent || !this.run) continue;
      this.run = groupHasEnded(this.run, { member, runId });
    }
  }

  private place(requests: readonly PlacementRequest[]): PlacementResult[] {
    return requests.map(({ vm, optional }) =>
      optional && this.full.includes(vm.name)
        ? { vm, unplaced: 'no host has room' }
        : { vm, placement: { zoneID: 'zone-a' } },
    );
  }

  /** When something happens next; undefined: nothing will by itself. */
  get nextAt(): number | undefined {
    const times = this.#open.map(({ endsAt }) => endsAt);
    if (this.#wake) times.push(this.#wake.at);
    if (this.#search) times.push(this.#search.at);
    const open = awaitedGroups(this.run as Run).map(({ runId }) => runId);
    for (const [runId, { endsAt, fate }] of Object.entries(this.#nested))
      if (open.includes(runId) && !fate.silent) times.push(endsAt);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  /** Lets time pass until `until`, or until nothing happens any more. */
  pass(until = Infinity): this {
    for (let steps = 0; steps < 100_000; steps += 1) {
      if (this.outcome) return this;
      const next = this.nextAt;
      if (next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
      for (const open of this.#open.filter(({ endsAt }) => endsAt <= this.now)) this.finish(open);
      this.notify();
      this.step();
    }
    if (until !== Infinity) this.now = Math.max(this.now, until);
    return this;
  }

  private finish(open: Open): void {
    this.#open = this.#open.filter((each) => each !== open);
    const run = this.run as Run;
    const { start, fate, waits } = open;
    const work = workOf(start);
    if (work.activity === 'place') {
      const results = this.place(work.input.requests);
      this.run = placed(run, start.activityId, results, this.now);
      return;
    }
    if (work.activity === 'release') {
      this.run = released(run, start.activityId, { free: work.input.vms });
      return;
    }
    if (work.activity === 'findEndedGroups') {
      const over = work.input.groups.filter(({ runId }) => (this.#nested[runId]?.endsAt ?? 0) <= this.now);
      this.run = endsFound(
        run,
        start.activityId,
        over.map(({ member }) => member),
        this.now,
      );
      return;
    }
    if (waits !== undefined) {
      const waiting = { runId: waits, failures: [] };
      const end = { activityId: start.activityId, at: this.now, waiting };
      this.run = operationsEnded(run, [end], () => true);
      return;
    }
    if ('failsAfter' in fate) {
      const failure = { class: fate.class, message: `${start.activityId} failed`, failures: [] };
      const end = { activityId: start.activityId, at: this.now, failure };
      this.run = operationsEnded(run, [end], () => true);
      return;
    }
    if (work.activity === 'powerGroup') {
      this.run = operationDone(
        run,
        start.activityId,
        { kind: 'VirtualMachineGroup', outcome: convergedOutcome(work.input.plan, this.now) },
        this.now,
      );
      return;
    }
    const { name } = work.input.vm;
    const before = this.states[name];
    const stays = work.input.powerState === 'Suspended' && before === 'PoweredOff';
    this.states[name] = stays ? 'PoweredOff' : work.input.powerState;
    const acted = before !== this.states[name];
    if (acted) this.since[name] = this.now;
    const observed = status(this.states[name], this.now, work.input.powerState === 'PoweredOn');
    observed.since = this.since[name] ?? 0;
    this.run = operationDone(
      run,
      start.activityId,
      { kind: 'VirtualMachine', status: observed, acted },
      this.now,
    );
  }
}

function lengthOf(fate: Fate): number {
  return 'takes' in fate ? fate.takes : fate.failsAfter;
}

/** Names of the members asked, in order, grouped by the moment at which they were asked. */
export function waves(world: World): string[][] {
  const byTime = new Map<number, string[]>();
  for (const { at, member } of world.asked) byTime.set(at, [...(byTime.get(at) ?? []), member]);
  return [...byTime.values()];
}
