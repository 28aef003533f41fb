/** The parts that the benchmarks share: a Temporal server, a simulated platform, and one worker that runs our workflow and the floor. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import pino from 'pino';
import { DEFAULT_INVENTORY } from '../api';
import { startSimulatedPlatform } from '../cli/runtime';
import { SimulatorConsole } from '../platforms/simulated';
import { buildWhenStale } from '../test/cli/vmgroup';
import { startTemporal, type TestTemporal } from '../test/support/temporal';
import type { Observer, Platform } from '../platforms';
import { startWorker, type RunningWorker } from '../worker';
import type { Behavior } from '../test/support/manifests';

/** What {@link startLab} starts. */
export interface Lab {
  temporal: TestTemporal;
  taskQueue: string;
  platform: Awaited<ReturnType<typeof startSimulatedPlatform>>['platform'];
  console: SimulatorConsole;
  stop(): Promise<void>;
}

/** Our workflow as the build ships it (its source would be translated for older engines here), and the floor next to it. */
export async function bundle(): Promise<{ code: string }> {
  buildWhenStale();
  const root = path.dirname(__dirname);
  return await bundleWorkflowCode({
    workflowsPath: require.resolve('./workflows'),
    logger: new DefaultLogger('WARN'),
    webpackConfigHook: (config) => {
      const alias = { [path.join(root, 'workflows')]: path.join(root, 'dist/workflows') };
      return { ...config, resolve: { ...config.resolve, alias: { ...config.resolve?.alias, ...alias } } };
    },
  });
}

/** Where the worker of a benchmark polls. */
export const TASK_QUEUE = 'bench';

/** Starts a worker for our workflow and the floor, on a platform. */
export async function startBenchWorker(
  temporal: TestTemporal,
  { platform, observer }: { platform: Platform; observer: Observer },
): Promise<RunningWorker> {
  return startWorker({
    target: {
      address: temporal.address,
      namespace: 'default',
      connectionOptions: { address: temporal.address },
    },
    taskQueue: TASK_QUEUE,
    workflows: { workflowBundle: await bundle() },
    platform,
    observer,
    client: temporal.client,
    logger: pino({ level: process.env['BENCH_LOG'] ?? 'silent' }),
  });
}

/** Starts the parts in one process, as `vmgroup up` does. */
export async function startLab(behavior: Behavior): Promise<Lab> {
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-bench-'));
  const logger = pino({ level: process.env['BENCH_LOG'] ?? 'silent' });
  const inventory = { ...DEFAULT_INVENTORY, behavior: { ...DEFAULT_INVENTORY.behavior, ...behavior } };
  const temporal = await startTemporal();
  const running = await startSimulatedPlatform({ dataDir: dir, inventory, logger });
  const { platform, observer } = running;
  const worker = await startBenchWorker(temporal, { platform, observer });
  const console = new SimulatorConsole(running.address);
  return {
    temporal,
    taskQueue: TASK_QUEUE,
    platform,
    console,
    stop: async () => {
      console.close();
      await worker.shutdown();
      await running.close();
      await temporal.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
