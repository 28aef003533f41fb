/** The whole product as it runs in production: each part a process of its own, so that any of them can be killed and started again. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { stringify } from 'yaml';
import type { SimulatedFault } from '../../api';
import { SimulatorConsole, type JournalLine } from '../../platforms/simulated';
import { workflowId, type RunOutcome } from '../../contract';
import { buildWhenStale, start as spawnCommand } from '../cli/vmgroup';
import { startTemporal, type TestTemporal } from './temporal';
import { until } from './until';

/** A part that can be killed as `kill -9` does, and started again with nothing but what it left on disk. */
export interface Victim {
  kill(): Promise<void>;
  /** Resolves once it works. */
  restart(): Promise<void>;
}

/** A `vmgroup` command that runs until it is stopped. */
export interface Command extends Victim {
  /** What it printed, over all its lives. */
  output(): string;
  /** Holds it still, as a machine that is paused does. */
  pause(): void;
  resume(): void;
  /** Stops it as Ctrl-C does. */
  stop(): Promise<void>;
}

/**
 * Starts a command; resolves once it has printed what `ready` matches, rejects where it ends first. `program` where it is not that of this
 * build.
 */
export async function startCommand(
  args: string[],
  cwd: string,
  ready: RegExp,
  env: NodeJS.ProcessEnv = {},
  program?: string,
): Promise<Command> {
  let child: ChildProcess;
  let output = '';

  async function start(): Promise<void> {
    const from = output.length;
    const spawned = spawnCommand(args, { cwd, env, ...(program !== undefined && { program }) });
    child = spawned;
    const print = (chunk: Buffer): void => void (output += chunk.toString());
    spawned.stdout.on('data', print);
    spawned.stderr.on('data', print);
    while (!ready.test(output.slice(from))) {
      if (hasEnded(spawned)) throw new Error(`vmgroup ${args.join(' ')} ended: ${output.slice(from)}`);
      await sleep(20);
    }
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (hasEnded(child)) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  await start();
  return {
    output: () => output,
    kill: () => end('SIGKILL'),
    restart: start,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: () => end('SIGTERM'),
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Temporal, simulated platform, worker and bridge, a process each. */
export interface Installation {
  dir: string;
  temporal: TestTemporal;
  worker: Command;
  bridge: Command;
  console: SimulatorConsole;
  /** Starts one more bridge on the same manifests, with data of its own. */
  secondBridge(): Promise<Command>;
  /** Writes a manifest as an editor does: a new file moved over the old one. */
  write(file: string, text: string): void;
  /** Adds faults to those that are there. */
  addFaults(faults: SimulatedFault[]): Promise<void>;
  /** The lines of the journal, read from its file. */
  journal(): JournalLine[];
  handle(namespace: string, name: string): WorkflowHandle;
  /** {@link until}, 90 s at most, with the logs in its error. Looks every few milliseconds, so that a kill can follow at once. */
  until<T>(look: () => T | Promise<T>, saying: string): Promise<Exclude<T, undefined | false>>;
  /** The outcome of the last run of a group, once it has ended with this power state. */
  outcome(namespace: string, name: string, powerState: RunOutcome['powerState']): Promise<RunOutcome>;
  /** Ids of all runs of a group. */
  runs(namespace: string, name: string): Promise<string[]>;
  stop(): Promise<void>;
}

/** A process of an installation. */
export type Part = 'simulator' | 'worker' | 'bridge';

/** What moves the clock of a process by a number of milliseconds. */
export function shifted(shift: number | undefined): NodeJS.ProcessEnv {
  if (shift === undefined) return {};
  const preload = path.join(__dirname, 'shifted-clock.js');
  return { NODE_OPTIONS: `--require ${preload}`, TEST_CLOCK_SHIFT: String(shift) };
}

/**
 * Starts an installation on an empty folder of manifests. `behavior` is that of a SimulatedInventory, as written in a manifest; `shifts`
 * moves the clocks of processes, in milliseconds; the last arguments are added to the command lines.
 */
export async function startInstallation(
  behavior: Record<string, unknown>,
  shifts: Partial<Record<Part, number>> = {},
  { bridgeArgs = [], temporalArgs = [] }: { bridgeArgs?: string[]; temporalArgs?: string[] } = {},
): Promise<Installation> {
  buildWhenStale();
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-processes-'));
  mkdirSync(path.join(dir, 'manifests'));
  const inventory = {
    apiVersion: 'vmgroup.dev/v1alpha1',
    kind: 'SimulatedInventory',
    metadata: { name: 'lab', namespace: 'default' },
    spec: { behavior },
  };
  writeFileSync(path.join(dir, 'inventory.yaml'), stringify(inventory));
  const [temporal, simulator] = await Promise.all([
    startTemporal({ args: temporalArgs }),
    startCommand(
      ['simulator', 'run', 'inventory.yaml', '--data', 'simulator', '--port', '0'],
      dir,
      /^http:.*\n/m,
      shifted(shifts.simulator),
    ),
  ]);
  const address = simulator.output().split('\n')[0] ?? '';
  const reach = ['--temporal', temporal.address, '--simulator', address];
  const startBridge = (data: string): Promise<Command> =>
    startCommand(
      ['bridge', 'manifests', '--data', data, ...reach, ...bridgeArgs],
      dir,
      /"msg":"ready"/,
      shifted(shifts.bridge),
    );
  const [worker, bridge] = await Promise.all([
    startCommand(['worker', ...reach], dir, /"msg":"ready"/, shifted(shifts.worker)),
    startBridge('bridge'),
  ]);
  const console = new SimulatorConsole(address);
  const started: Command[] = [simulator, worker, bridge];
  let faults: SimulatedFault[] = [];

  const logs = (): string =>
    `worker: ${worker.output().slice(-2000)}; bridge: ${bridge.output().slice(-2000)}`;
  const waitFor: Installation['until'] = (look, saying) =>
    until(look, saying, { seconds: 90, every: 5, slowest: 5, context: logs });
  const handle = (namespace: string, name: string): WorkflowHandle =>
    temporal.client.workflow.getHandle(workflowId(namespace, name));

  return {
    dir,
    temporal,
    worker,
    bridge,
    console,
    secondBridge: async () => {
      const second = await startBridge('bridge-2');
      started.push(second);
      return second;
    },
    write: (file, text) => {
      writeFileSync(path.join(dir, 'next'), text);
      renameSync(path.join(dir, 'next'), path.join(dir, 'manifests', file));
    },
    addFaults: async (more) => {
      faults = [...faults, ...more];
      await console.setFaults(faults);
    },
    journal: () => readLines(path.join(dir, 'simulator/simulator/journal.jsonl')),
    handle,
    until: waitFor,
    outcome: (namespace, name, powerState) =>
      waitFor(async () => {
        await sleep(100);
        const outcome = await lastOutcome(handle(namespace, name)).catch(() => undefined);
        return outcome?.powerState === powerState ? outcome : undefined;
      }, `the end of the run of ${namespace}/${name}`),
    runs: async (namespace, name) => {
      const found: string[] = [];
      const query = `WorkflowId = "${workflowId(namespace, name)}"`;
      for await (const { runId } of temporal.client.workflow.list({ query })) found.push(runId);
      return found;
    },
    stop: async () => {
      console.close();
      await Promise.all(started.map((command) => command.stop()));
      await temporal.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function lastOutcome(handle: WorkflowHandle): Promise<RunOutcome | undefined> {
  const { status, runId } = await handle.describe();
  if (status.name !== 'COMPLETED') return undefined;
  const { client } = handle;
  return (await client.getHandle(handle.workflowId, runId).result()) as RunOutcome;
}

/** Whole lines only: the last one may be half written. */
function readLines(file: string): JournalLine[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as JournalLine);
}
