/**
 * Metrics of runs and of the operations in them.
 *
 * METRICS-1: a run counts once, in the process that saw it end: one that had ended before the process knew its group does not count.
 * METRICS-2: no label has the name of a group or VM, so that the number of series does not grow with them. (`expected-ends.ts` has the one exception.)
 */
import type {
  ActivityExecuteInput,
  Next,
  WorkerInterceptors,
  ActivityInboundCallsInterceptor,
} from '@temporalio/worker';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ObjectName } from '../api';
import type { Bridge, GroupView } from '../bridge';
import type { Progress } from '../contract';
import { stepOverheads } from './step-overhead';

/** Upper bounds of times, seconds: from a quick VM to a failover of hours. */
const SECONDS = [5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400];

/** The same for what a step costs: a workflow task and the start of an activity. */
const STEP_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counts runs by outcome, and the recovery times of their VMs; to be called with each view that changed. */
export function countRuns(registry: Registry): (group: ObjectName, view: GroupView | undefined) => void {
  const runs = new Histogram({
    name: 'vmgroup_run_seconds',
    help: 'Runs that ended, and how long they took.',
    labelNames: ['power_state', 'outcome'],
    buckets: SECONDS,
    registers: [registry],
  });
  const recovery = new Histogram({
    name: 'vmgroup_recovery_seconds',
    help: 'From the start of a run until a VM or nested group met its gate.',
    labelNames: ['power_state'],
    buckets: SECONDS,
    registers: [registry],
  });
  const steps = new Histogram({
    name: 'vmgroup_step_seconds',
    help: 'From the moment at which a tier could start until its first operation began.',
    buckets: STEP_SECONDS,
    registers: [registry],
  });
  /** By group: the execution that is counted, or was there first. */
  const seen = new Map<string, string>();
  /** By group: what was last known of the open run. */
  const open = new Map<string, Progress>();
  return ({ namespace, name }, view) => {
    const key = `${namespace}/${name}`;
    const run = view?.run;
    const last = lastProgress(open, key, run);
    if (!view) return void seen.delete(key);
    const before = seen.get(key);
    // METRICS-1.
    if (!run || run.endedAt === undefined) return void seen.set(key, before ?? '');
    seen.set(key, run.runId);
    if (before === undefined || before === run.runId) return;
    const { outcome } = run;
    const powerState = outcome?.powerState ?? view.spec.powerState ?? '';
    const took = run.endedAt - run.startedAt;
    runs.observe({ power_state: powerState, outcome: outcome?.outcome ?? run.closedAs ?? '' }, took / 1_000);
    if (!outcome) return;
    for (const step of last ? stepOverheads(last, outcome) : []) steps.observe(step);
    for (const [, ended] of Object.values(outcome.spans ?? {}))
      recovery.observe({ power_state: powerState }, Math.max(0, ended - run.startedAt) / 1_000);
  };
}

/** What was last known of the run of a group while it was open; it is kept in `open` until the run has ended. */
function lastProgress(open: Map<string, Progress>, key: string, run: GroupView['run']): Progress | undefined {
  const last = open.get(key);
  if (run?.progress) open.set(key, run.progress);
  else if (!run || run.endedAt !== undefined) open.delete(key);
  return last;
}

/** Shows the trees of groups that a bridge has to reconcile, read at each scrape. */
export function showQueue(registry: Registry, read: () => ReturnType<Bridge['queue']>): void {
  new Gauge({
    name: 'vmgroup_bridge_queue_trees',
    help: 'Trees of groups that are queued, being reconciled, or due later.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const [state, count] of Object.entries(read())) this.set({ state }, count);
    },
  });
}

/** Counts the attempts of activities by the class of their failure; of those that succeeded it is `None`. */
export function countOperations(registry: Registry): WorkerInterceptors {
  const operations = new Counter({
    name: 'vmgroup_operations_total',
    help: 'Attempts of activities that ended, by class of the failure.',
    labelNames: ['activity', 'class'],
    registers: [registry],
  });
  return {
    activity: [
      ({ info: { activityType: activity } }) => ({
        inbound: new Counted((failure) => operations.inc({ activity, class: failure })),
      }),
    ],
  };
}

class Counted implements ActivityInboundCallsInterceptor {
  readonly #count: (failure: string) => void;

  constructor(count: (failure: string) => void) {
    this.#count = count;
  }

  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    try {
      const result: unknown = await next(input);
      this.#count('None');
      return result;
    } catch (error: unknown) {
      this.#count(classOf(error));
      throw error;
    }
  }
}

function classOf(error: unknown): string {
  if (error instanceof ApplicationFailure) return error.type ?? 'Unknown';
  return error instanceof CancelledFailure ? 'Cancelled' : 'Unknown';
}
