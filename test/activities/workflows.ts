/** Small workflows that do nothing but call one activity, or stand in for a nested group's run. */
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import {
  type Activities,
  type PowerGroupInput,
  type PowerInput,
  applyPlan,
  notifyOnEnd,
  type EndSubscription,
  attemptFailed,
  type AttemptReport,
  type PlanMessage,
  type RunOutcome,
  type RunStart,
} from '../../contract';

export interface Told {
  result?: unknown;
  failure?: { type: string; message: string; details: unknown };
  cancelled?: true;
  reports: AttemptReport[];
}

const options = {
  startToCloseTimeout: '1h',
  heartbeatTimeout: '2s',
  retry: { initialInterval: '100ms', backoffCoefficient: 1 },
} as const;

async function told(work: () => Promise<unknown>): Promise<Told> {
  const reports: AttemptReport[] = [];
  setHandler(attemptFailed, (report) => void reports.push(report));
  try {
    return { result: await work(), reports };
  } catch (error: unknown) {
    if (isCancellation(error)) return { cancelled: true, reports };
    if (!(error instanceof ActivityFailure) || !(error.cause instanceof ApplicationFailure)) throw error;
    const { type, message, details } = error.cause;
    return { failure: { type: type ?? '', message, details: details?.[0] }, reports };
  }
}

/** Powers one VM on. */
export function onePowerOn(input: PowerInput): Promise<Told> {
  const { powerOn } = proxyActivities<Activities>({ ...options, activityId: `power-on/${input.vm.name}` });
  return told(() => powerOn(input));
}

/** Asks one nested group, or awaits the run that was asked. */
export function oneGroup(input: PowerGroupInput): Promise<Told> {
  const { powerGroup, awaitGroup } = proxyActivities<Activities>({ ...options, activityId: 'power-group' });
  return told(() => (input.runId === undefined ? powerGroup(input) : awaitGroup(input)));
}

/** How a run is to end; what is left out is as the plan has it. */
type Ending = Pick<RunOutcome, 'outcome' | 'message'> & Partial<RunOutcome>;

/** Ends the stand-in below. */
export const finish = defineSignal<[Ending]>('finish');

/** Stands in for a group's run: continues as new once, then ends as the signal says. */
export async function virtualMachineGroup(
  start: RunStart & { plans?: number; desired?: Partial<RunOutcome> },
): Promise<unknown> {
  let plans = start.plans ?? 0;
  const heard: PlanMessage[] = [];
  const subscribed: EndSubscription[] = [];
  let outcome: Ending | undefined;
  setHandler(applyPlan, (message) => void heard.push(message));
  setHandler(notifyOnEnd, (subscription) => void subscribed.push(subscription));
  setHandler(finish, (said) => void (outcome = said));
  await condition(() => plans + heard.length > 0);
  plans += heard.length;
  const { revision, lineage, powerState } = heard.at(-1)?.plan ?? {};
  const desired = start.desired ?? ({ revision, lineage, powerState } as Partial<RunOutcome>);
  if (start.plans === undefined)
    await continueAsNew<typeof virtualMachineGroup>({ ...start, plans, desired });
  await condition(() => outcome !== undefined);
  return { ...desired, ...outcome, plans, subscribed, namespace: start.namespace, name: start.name };
}
