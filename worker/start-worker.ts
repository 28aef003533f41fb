/**
 * The worker: runs workflows from a bundle made at build time, and activities on a platform.
 *
 * WORKER-1: a worker that stops gives up its activities at once. Their heartbeats tell Temporal where they were, so another worker takes over
 *     without a second power operation. A stop never waits for a VM to boot.
 * WORKER-2: `shutdown` resolves within {@link SHUTDOWN_FORCE_TIME} and a second, whatever the activities do.
 */
import type { Client } from '@temporalio/client';
import { NativeConnection, TransportError, Worker, type WorkerInterceptors } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities';
import { platformTaskQueue } from '../contract';
import type { Observer, Platform } from '../platforms';
import { offerRunsToAnyWorker } from './cached-runs';
import type { TemporalTarget } from './connection';
import { TemporalUnreachable } from './connection';
import { activityLogFields } from './log-fields';
import { installRuntime } from './runtime';
import { workflowSource, type WorkflowSource } from './workflow-source';

/** The default task queue of all groups. */
export const TASK_QUEUE = 'vmgroup';

/** Milliseconds after which a shutdown no longer waits for activities that ignore their cancellation. */
export const SHUTDOWN_FORCE_TIME = 5_000;

/** What {@link startWorker} and {@link startPlatformWorker} need. */
export interface StartWorkerOptions {
  target: TemporalTarget;
  /** The task queue of the workflows; default {@link TASK_QUEUE}. */
  taskQueue?: string;
  /** Workflow code to run; default: that of this build. */
  workflows?: WorkflowSource;
  platform: Platform;
  /** The shared watch of `platform`. */
  observer: Observer;
  /** For the activity that queries a nested group's workflow. */
  client: Client;
  logger: Logger;
  /** `host:port` for the SDK's metrics; absent: none. */
  metricsAddress?: string;
  /** Counts how activities end; absent: nothing does. */
  interceptors?: WorkerInterceptors;
  /** Milliseconds that an activity waits for a nested group's run before its caller waits without it; for tests. */
  groupWait?: number;
}

/** A worker that polls. */
export interface RunningWorker {
  /** Resolves once the worker has stopped, rejects when it dies. */
  run: Promise<void>;
  /** Whether it polls. */
  polling(): boolean;
  /** Stops it (WORKER-1, WORKER-2). Does not reject. */
  shutdown(): Promise<void>;
}

/**
 * Starts a worker of workflows, and of the activities of the default platform. After a failure it may be called again.
 *
 * @throws TemporalUnreachable when the server does not answer, or stops answering.
 */
export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const { taskQueue = TASK_QUEUE, workflows = workflowSource(), client, target, logger } = options;
  const worker = await start(options, { taskQueue, ...workflows });
  void offerRunsToAnyWorker(client, target.namespace, taskQueue, logger);
  return worker;
}

/**
 * Starts a worker of the activities of one platform, which may run where only that platform can be reached. After a failure it may be called
 * again.
 *
 * @param name Name of the platform, as VMs name it.
 * @throws TemporalUnreachable when the server does not answer, or stops answering.
 */
export function startPlatformWorker(options: StartWorkerOptions, name: string): Promise<RunningWorker> {
  return start(options, { taskQueue: platformTaskQueue(options.taskQueue ?? TASK_QUEUE, name) });
}

/** Several workers as one: it polls if all do, and dies with the first. */
export function joinWorkers(workers: readonly RunningWorker[]): RunningWorker {
  const run = Promise.all(workers.map((worker) => worker.run)).then(() => undefined);
  run.catch(() => undefined);
  return {
    run,
    polling: () => workers.every((worker) => worker.polling()),
    shutdown: async () => void (await Promise.all(workers.map((worker) => worker.shutdown()))),
  };
}

async function start(
  options: StartWorkerOptions,
  work: { taskQueue: string } & Partial<WorkflowSource>,
): Promise<RunningWorker> {
  const { target, platform, observer, client, logger, groupWait } = options;
  installRuntime(logger, options.metricsAddress);
  const connection = await connectNative(target);
  let worker: Worker;
  try {
    worker = await Worker.create({
      connection,
      namespace: target.namespace,
      ...(target.dataConverter && { dataConverter: target.dataConverter }),
      ...work,
      interceptors: {
        ...work.interceptors,
        activity: [activityLogFields, ...(options.interceptors?.activity ?? [])],
      },
      activities: createActivities({
        platform,
        observer,
        client,
        ...(groupWait !== undefined && { groupWait }),
      }),
      // An activity mostly waits for a VM: a thousand of them cost little, and one slot too few delays a tier.
      maxConcurrentActivityTaskExecutions: 2_000,
      // The SDK's default depends on the heap, not on the native memory that a cached workflow takes.
      maxCachedWorkflows: 500,
      // Pause, reset and cancel reach an activity only with a heartbeat that is not throttled.
      maxHeartbeatThrottleInterval: '2s',
      defaultHeartbeatThrottleInterval: '2s',
      shutdownForceTime: SHUTDOWN_FORCE_TIME,
      // After this time, a task that waits for a worker that was killed goes to another one. The SDK's default is 10 s.
      stickyQueueScheduleToStartTimeout: '3s',
    });
  } catch (error: unknown) {
    await connection.close();
    throw error instanceof TransportError ? new TemporalUnreachable(target.address, { cause: error }) : error;
  }
  return running(worker, connection, logger);
}

function running(worker: Worker, connection: NativeConnection, logger: Logger): RunningWorker {
  const run = worker.run().finally(() => connection.close().catch(() => undefined));
  // A caller that awaits only `shutdown` must not cause an unhandled rejection.
  run.catch(() => undefined);
  return {
    run,
    polling: () => worker.getState() === 'RUNNING',
    shutdown: async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await run.catch((error: unknown) =>
        logger.warn({ err: error }, 'the worker did not stop in time, abandoned it'),
      );
    },
  };
}

async function connectNative(target: TemporalTarget): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(target.connectionOptions);
  } catch (error: unknown) {
    throw new TemporalUnreachable(target.address, { cause: error });
  }
}
