/**
 * Asks a nested group's workflow for its power state and waits for the outcome of its run.
 *
 * A9: an attempt that takes over from a lost one waits for the run that was asked, and asks no other.
 * A10: an outcome counts only if it is of the plan that was asked: a run may end over another one.
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { PlatformError } from '../platforms';
import {
  applyPlan,
  startOptions,
  workflowId,
  WORKFLOW_TYPE,
  type Plan,
  type RunOutcome,
  type GiveUpDetails,
  type PowerGroupInput,
  type PowerGroupResult,
} from '../contract';
import { inAttempts, type AttemptRun } from './attempts';
import type { ActivityDependencies } from './power';

/** What an attempt hands to the next. */
interface PowerGroupProgress {
  /** The run that was asked; absent: none is waited for. */
  runId?: string;
}

/** Milliseconds between two tries to reach the server while a run is waited for. */
const SERVER_PAUSE = 1_000;
/** Milliseconds of one wait for a result; the next one follows. */
const ROUND = 60_000;

/** The activity `powerGroup`. */
export async function powerGroup(
  { client: given, logger }: ActivityDependencies,
  { operation, plan, retry, earlier }: PowerGroupInput,
): Promise<PowerGroupResult> {
  const result = await inAttempts<PowerGroupProgress, PowerGroupResult>(
    {
      purpose: `group ${plan.namespace}/${plan.name}`,
      retry,
      earlier,
      first: {},
      // Every failure but a lost connection, which is waited out, is the end of the run that was asked.
      next: () => ({}),
      client: given,
      logger,
    },
    async (run) => {
      const client = given ?? Context.current().client;
      if (run.progress.runId === undefined) run.note({ runId: await askGroup(client, plan) });
      const outcome = await outcomeOf(client, plan, run);
      refuseOther(plan, outcome);
      return { ...(operation !== undefined && { operation }), outcome, failures: run.failures };
    },
  );
  const { outcome, message } = result.outcome;
  if (outcome === 'Converged' || outcome === 'ConvergedWithExceptions') return result;
  const details: [GiveUpDetails] = [{ failures: result.failures }];
  throw ApplicationFailure.create({
    message: `group ${plan.namespace}/${plan.name}: ${message}`,
    type: `Group${outcome}`,
    nonRetryable: true,
    details,
  });
}

/** Gives the group its plan, which starts a run where none is open; resolves with the id of the run that has it. */
async function askGroup(client: Client, plan: Plan): Promise<string> {
  const { taskQueue } = Context.current().info;
  const handle = await client.workflow.signalWithStart(WORKFLOW_TYPE, {
    ...startOptions(plan, taskQueue),
    args: [{ namespace: plan.namespace, name: plan.name }],
    signal: applyPlan,
    signalArgs: [{ plan, cause: 'Parent', placed: true }],
  });
  return handle.signaledRunId;
}

/** Waits for the end of the run, also where it continues as new; a server that is away is waited for. */
async function outcomeOf(
  client: Client,
  { namespace, name }: Plan,
  run: AttemptRun<PowerGroupProgress>,
): Promise<RunOutcome> {
  const handle = client.workflow.getHandle(workflowId(namespace, name), run.progress.runId);
  const cancelled = Context.current().cancelled;
  const result = (): Promise<RunOutcome> => handle.result() as Promise<RunOutcome>;
  for (;;) {
    // The client keeps every call in memory for as long as the signal that it was made under: so each round has its own.
    const round = new AbortController();
    const timer = setTimeout(() => round.abort(), ROUND);
    try {
      // Raced too: a native connection ends a call at its own leisure.
      return await Promise.race([client.withAbortSignal(round.signal, result), cancelled]);
    } catch (error: unknown) {
      if (run.signal.aborted) throw error;
      if (error instanceof WorkflowFailedError) throw runLost(error);
      if (error instanceof WorkflowNotFoundError) throw runLost(error);
      if (!round.signal.aborted) await Context.current().sleep(SERVER_PAUSE);
    } finally {
      clearTimeout(timer);
      round.abort();
    }
  }
}

/** A10. The next attempt asks again; a plan that is older than the group's own is refused until its parent has the newer one. */
function refuseOther(plan: Plan, outcome: RunOutcome): void {
  const { powerState, lineage, revision } = outcome;
  if (powerState === plan.powerState && lineage === plan.lineage && revision === plan.revision) return;
  if (outcome.outcome === 'Cancelled') return;
  throw new PlatformError(
    'Transient',
    `its run ended ${outcome.outcome} over another plan (revision ${revision}, ${powerState}) than the one that was asked (revision ${plan.revision}, ${plan.powerState})`,
  );
}

/** A run ends with an outcome of its own, unless it is ended from outside. */
function runLost(error: Error): PlatformError {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return new PlatformError(
    'Transient',
    `its run ended without an outcome: ${error.message}${cause}`,
    undefined,
    {
      cause: error,
    },
  );
}
