/** The whole product on real parts, in one process: simulated platform, worker, and bridge on a folder of manifests. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import pino from 'pino';
import {
  DEFAULT_INVENTORY,
  type PlatformObject,
  type SimulatedGuest,
  type SimulatedInventory,
} from '../../api';
import type { BridgeEvent, GroupView } from '../../bridge';
import { dataFolder } from '../../cli/data-folder';
import {
  openPlatforms,
  startFolderBridge,
  startSimulatedPlatform,
  watchSimulator,
  type RunningBridge,
  type RunningPlatform,
} from '../../cli/runtime';
import { SimulatorConsole, type JournalLine } from '../../platforms/simulated';
import {
  localTarget,
  startPlatformWorker,
  startWorker,
  type RunningWorker,
  type StartWorkerOptions,
} from '../../worker';
import { operatorUpdates, workflowId, type RunOutcome, type OperatorVerb } from '../../contract';
import type { Behavior } from './manifests';
import type { TestTemporal } from './temporal';
import { until } from './until';
import { workflowBundle } from './workflow-bundle';

/** Quick VMs: a test should not wait for what it does not test. */
const QUICK: Behavior = { powerOnTime: 200, readyTime: 100, powerOffTime: 100, guestShutdownTime: 150 };

export interface System {
  dir: string;
  taskQueue: string;
  /** Logs and events, for a test that fails. */
  events: BridgeEvent[];
  console: SimulatorConsole;
  address: string;
  /** Writes a manifest as an editor does: a new file moved over the old one. */
  write(file: string, text: string): void;
  remove(file: string): void;
  journal(): Promise<JournalLine[]>;
  view(namespace: string, name: string): GroupView | undefined;
  handle(namespace: string, name: string): WorkflowHandle;
  say(namespace: string, name: string, verb: OperatorVerb, member?: string): Promise<string>;
  /** {@link until}, `seconds` at most (90), with the last events in its error. */
  until<T>(
    look: () => T | Promise<T>,
    saying: string,
    seconds?: number,
  ): Promise<Exclude<T, undefined | false>>;
  /** Waits until the last run of the group has ended, and the bridge knows it. */
  outcome(namespace: string, name: string, after?: number, seconds?: number): Promise<RunOutcome>;
  bridge: RunningBridge;
  /** Platforms besides the default one, by name. */
  sites: Record<string, Site>;
  /** Takes the platform away for good. */
  stopPlatform(): Promise<void>;
  stop(): Promise<void>;
}

/** A simulated platform besides the default one, with the worker for it. */
export interface Site {
  address: string;
  console: SimulatorConsole;
  startWorker(): Promise<void>;
  stopWorker(): Promise<void>;
}

interface SystemOptions {
  groupWait?: number;
  guests?: SimulatedGuest[];
  /** What differs from the default in the inventory of each platform besides the default one. Their workers are not started. */
  sites?: Record<string, Partial<SimulatedInventory>>;
  /** Another way to the platform of each site, from its address; default: straight. */
  reachSite?: (address: string) => Promise<string>;
  /** Another way to the Temporal server; default: straight. */
  reach?: Pick<StartWorkerOptions, 'target' | 'client'>;
  /** Another way to the default platform, from its address; default: straight. */
  reachPlatform?: (address: string) => Promise<string>;
  /** Called with each view that the bridge reports. */
  onView?: (view: GroupView) => void;
}

export async function startSystem(
  temporal: TestTemporal,
  files: Record<string, string>,
  behavior: Behavior = {},
  {
    groupWait,
    guests,
    sites: siteInventories = {},
    reach,
    reachPlatform,
    reachSite,
    onView,
  }: SystemOptions = {},
): Promise<System> {
  const { client, target } = reach ?? {
    client: temporal.client,
    target: localTarget(temporal.address, 'default'),
  };
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-system-'));
  const manifests = path.join(dir, 'manifests');
  const folder = dataFolder(path.join(dir, 'data'));
  mkdirSync(manifests, { recursive: true });
  mkdirSync(folder.dir, { recursive: true });
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const write = (file: string, text: string): void => {
    writeFileSync(path.join(dir, 'next'), text);
    renameSync(path.join(dir, 'next'), path.join(manifests, file));
  };
  for (const [file, text] of Object.entries(files)) write(file, text);

  const inventory = {
    ...DEFAULT_INVENTORY,
    ...(guests && { guests }),
    behavior: { ...DEFAULT_INVENTORY.behavior, ...QUICK, ...behavior },
  };
  const simulated = await startSimulatedPlatform({ dataDir: folder.simulator, inventory, logger });
  const reached = reachPlatform && watchSimulator(await reachPlatform(simulated.address), logger);
  const platform: RunningPlatform = reached
    ? { ...reached, close: async () => void (await Promise.all([reached.close(), simulated.close()])) }
    : simulated;
  const taskQueue = `test-${path.basename(dir)}`;
  const workerOptions = {
    target,
    workflows: await workflowBundle(),
    taskQueue,
    client,
    logger,
  };
  const worker: RunningWorker = await startWorker({
    ...workerOptions,
    platform: platform.platform,
    observer: platform.observer,
    ...(groupWait !== undefined && { groupWait }),
  });
  const simulators = await startSimulators(siteInventories, path.join(dir, 'sites'), logger);
  const described = await Promise.all(
    simulators.map(async ({ name, platform: { address } }) =>
      describedPlatform(name, reachSite ? await reachSite(address) : address),
    ),
  );
  const platforms = openPlatforms(
    { byDefault: 'simulated', platforms: described, openBuiltIn: () => platform, watchOnly: false },
    logger,
  );
  const sites = Object.fromEntries(
    [...platforms.others].map(([name, other]) => [name, siteOn(name, other, workerOptions)]),
  );
  const events: BridgeEvent[] = [];
  const bridge = await startFolderBridge({
    paths: [manifests],
    folder,
    client,
    target,
    taskQueue,
    observers: platforms.observers,
    logger,
    onEvent: (event) => events.push(event),
    ...(onView && { onView: (_name, view) => (view ? onView(view) : undefined) }),
  });

  const view = (namespace: string, name: string): GroupView | undefined =>
    bridge.views().find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  const waitFor: System['until'] = (look, saying, seconds = 90) => {
    const context = (): string => `events: ${JSON.stringify(events.slice(-10), null, 1)}`;
    return until(look, saying, { seconds, every: 100, context });
  };
  const console = new SimulatorConsole(simulated.address);
  return {
    dir,
    taskQueue,
    events,
    console,
    address: simulated.address,
    write,
    remove: (file) => rmSync(path.join(manifests, file)),
    journal: () => console.journal(),
    view,
    handle: (namespace, name) => client.workflow.getHandle(workflowId(namespace, name)),
    say: async (namespace, name, verb, member) => {
      const word = { actor: 'alice', reason: 'test', ...(member !== undefined && { member }) };
      const handle = client.workflow.getHandle(workflowId(namespace, name));
      const { message } = await handle.executeUpdate(operatorUpdates[verb], { args: [word] });
      return message;
    },
    until: waitFor,
    outcome: (namespace, name, after = 0, seconds = 90) =>
      waitFor(
        () => {
          const outcome = view(namespace, name)?.run?.outcome;
          return outcome && outcome.endedAt > after ? outcome : undefined;
        },
        `the end of the run of ${namespace}/${name}`,
        seconds,
      ),
    bridge,
    sites,
    stopPlatform: () => platform.close(),
    stop: async () => {
      await bridge.stop();
      await worker.shutdown();
      await Promise.all(Object.values(sites).map((site) => site.stopWorker()));
      await platforms.close();
      await Promise.all(simulators.map((simulator) => simulator.platform.close()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The simulator of each site, in this process. */
async function startSimulators(
  inventories: Record<string, Partial<SimulatedInventory>>,
  dir: string,
  logger: pino.Logger,
): Promise<{ name: string; platform: RunningPlatform }[]> {
  const started = Object.entries(inventories).map(async ([name, differing]) => {
    const behavior = { ...DEFAULT_INVENTORY.behavior, ...QUICK, ...differing.behavior };
    const inventory = { ...DEFAULT_INVENTORY, ...differing, behavior };
    const dataDir = path.join(dir, name);
    mkdirSync(dataDir, { recursive: true });
    return { name, platform: await startSimulatedPlatform({ dataDir, inventory, logger }) };
  });
  return Promise.all(started);
}

function describedPlatform(name: string, address: string): PlatformObject {
  const meta = {
    namespace: 'default',
    uid: name,
    generation: 0,
    revision: name,
    labels: {},
    annotations: {},
  };
  return { ...meta, name, namespaces: [], settings: { type: 'simulated', address } };
}

function siteOn(
  name: string,
  { platform, observer, address }: RunningPlatform,
  options: Omit<StartWorkerOptions, 'platform' | 'observer'>,
): Site {
  let worker: RunningWorker | undefined;
  return {
    address,
    console: new SimulatorConsole(address),
    startWorker: async () => {
      worker = await startPlatformWorker({ ...options, platform, observer }, name);
    },
    stopWorker: async () => worker?.shutdown(),
  };
}

/** The power operations of a journal that were accepted, in order: `STATE vm`. */
export function accepted(journal: JournalLine[], namespace: string): string[] {
  return journal.flatMap((line) =>
    line.type === 'call' && line.answer === 'Accepted' && line.vm.startsWith(`${namespace}/`)
      ? [`${line.operation} ${line.vm.slice(namespace.length + 1)}`]
      : [],
  );
}

/** The effects of a journal, in order: `STATE vm`. */
export function effects(journal: JournalLine[], namespace: string): string[] {
  return journal.flatMap((line) =>
    line.type === 'effect' && line.effect !== 'Ready' && line.vm.startsWith(`${namespace}/`)
      ? [`${line.effect} ${line.vm.slice(namespace.length + 1)}`]
      : [],
  );
}

/** When each VM's power operation was first asked, and when it took effect; milliseconds since the epoch. */
export function times(
  journal: JournalLine[],
  namespace: string,
  state: string,
): Record<string, { asked: number; effect: number }> {
  const found: Record<string, { asked: number; effect: number }> = {};
  for (const line of journal) {
    if (!('vm' in line) || !line.vm.startsWith(`${namespace}/`)) continue;
    const name = line.vm.slice(namespace.length + 1);
    const entry = (found[name] ??= { asked: NaN, effect: NaN });
    if (line.type === 'call' && line.operation === state && Number.isNaN(entry.asked)) entry.asked = line.at;
    if (line.type === 'effect' && line.effect === state) entry.effect = line.at;
  }
  return found;
}
