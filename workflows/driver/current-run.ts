/** The state of the run that this workflow executes. Handlers and activities change it; the loop acts once something is new. */
import { log } from '@temporalio/workflow';
import {
  applyPlan,
  workflowId,
  type IgnoredInput,
  type Plan,
  type PlanMessage,
  type RunStart,
} from '../../contract';
import { operationsEnded, type OperationEnd } from '../operations';
import { begin, receivePlan, whyForeign } from '../plans';
import { ignoring, type Run } from '../state';
import { noteRevision } from './run-in-force';
import { uses } from './uses';

/** The run, once it has a plan. */
export class CurrentRun {
  /** Workflow id of the group that the run was started for, if it was started for one. */
  readonly #id: string | undefined;
  #run: Run | undefined;
  #changed = true;
  /** What could not be read before there was a plan. */
  readonly #early: IgnoredInput[] = [];
  /** Operations that have ended since the last steps. */
  #ends: OperationEnd[] = [];

  /** `start` may be anything if the workflow was started by hand. */
  constructor({ namespace, name }: RunStart) {
    const isNamed = typeof namespace === 'string' && typeof name === 'string';
    this.#id = isNamed ? workflowId(namespace, name) : undefined;
  }

  /** Undefined: no plan has come yet. */
  get run(): Run | undefined {
    return this.#run;
  }

  /** Whether the loop has something to act on. */
  get isDue(): boolean {
    return this.#changed && this.#run !== undefined;
  }

  /** Makes the loop look again. */
  touch(): void {
    this.#changed = true;
  }

  /** Replaces the state. */
  set(run: Run): void {
    this.settle(run);
    this.#changed = true;
  }

  /** Changes the state, if there is one. */
  change(how: (run: Run) => Run): void {
    if (this.#run) this.set(how(this.#run));
  }

  /** Takes a plan over, which begins the run if it is the first one. */
  receive(message: PlanMessage): void {
    const now = Date.now();
    if (this.#run) return this.set(receivePlan(this.#run, message, now, uses));
    const foreign = this.begin(message.plan, () => begin(message, now, uses));
    if (foreign !== undefined) this.ignore(applyPlan.name, foreign);
  }

  /** Begins a run with a plan. Returns why the plan is not one for this run; undefined: it is. */
  begin(plan: Plan, make: () => Run): string | undefined {
    const foreign = this.#id === undefined ? undefined : whyForeign(plan, this.#id);
    if (foreign === undefined) this.set(this.#early.reduce(ignoring, make()));
    return foreign;
  }

  /** Records an input that cannot be read; it has no other effect. */
  ignore(what: string, why: string): void {
    const input = { at: Date.now(), what, why };
    log.warn('ignored an input that cannot be read', { ...input });
    if (this.#run) this.change((run) => ignoring(run, input));
    else this.#early.push(input);
  }

  /** Notes the end of an operation. A thousand may end together, so the state changes with the next steps, once for all of them. */
  ended(end: OperationEnd): void {
    this.#ends.push(end);
    this.#changed = true;
  }

  /** The state to act on, with the operations that have ended. From now on only what comes later is new. */
  take(run: Run): Run {
    const ends = this.#ends;
    this.#changed = false;
    this.#ends = [];
    return operationsEnded(run, ends, uses);
  }

  /** Replaces the state by one that needs no further look. */
  settle(run: Run): void {
    this.#run = run;
    noteRevision(run.plan.revision);
  }
}
