/** `vmgroup simulator`. */
import type { Logger } from 'pino';
import { pino } from 'pino';
import type { JournalLine } from '../../platforms/simulated';
import type { Simulator, VmController } from '../../simulator';
import { connectCluster, watchedNamespaces } from '../connections/cluster';
import type { ConsoleOptions, SimulatorRunOptions } from '.';
import { dataFolder, readLiveRecord } from '../data-folder/data-folder';
import { CliError, EXIT, messageOf } from '../errors';
import * as lazy from '../lazy';
import { inventoryOf } from '../manifests/inventory';
import { readManifests } from '../manifests/files';
import { print, table } from '../output/output';
import { LOG_FORMAT } from '../runtime/parts';
import { stopSignal, untilStopped } from '../runtime/stop';

/** Runs the simulated platform until Ctrl-C. */
export async function runSimulator(paths: string[], options: SimulatorRunOptions): Promise<void> {
  const inventory =
    paths.length === 0 ? undefined : inventoryOf(await readManifests(paths, { streams: true }));
  const { startSimulator } = lazy.simulator();
  const signal = stopSignal();
  const follow = options.kubernetes ? followCluster(options, signal) : undefined;
  const dataDir = dataFolder(options.data).simulator;
  const simulator = await startSimulator({
    dataDir,
    port: options.port,
    ...(inventory && { inventory }),
  }).catch((error: unknown) => {
    throw new CliError(`the simulator does not start: ${messageOf(error)}`, [
      'another one may run on the same --data, or the port may be taken: --port 0 takes a free one',
    ]);
  });
  process.stdout.write(`${simulator.address}\n`);
  process.stderr.write(`simulated platform: journal in ${simulator.journal}; Ctrl-C stops it\n`);
  const controller = follow?.(simulator);
  await untilStopped(signal);
  await controller?.stop();
  await simulator.close();
}

/** Connects first: a kubeconfig that is wrong is told before anything starts. */
function followCluster(
  options: SimulatorRunOptions,
  signal: AbortSignal,
): (simulator: Simulator) => VmController {
  const api = connectCluster(options);
  const namespaces = watchedNamespaces(options);
  const logger = pino(LOG_FORMAT, pino.destination({ dest: 2, sync: true }));
  return ({ machine }) => {
    logger.info({ server: api.address, namespaces }, "stands in for VM Operator's VM controller");
    const controller = lazy.simulator().startVmController({
      ...{ api, machine },
      ...(namespaces && { namespaces }),
      onError: toldOnce(logger),
    });
    void controller.synced().then(() => {
      if (!signal.aborted) logger.info('follows the VirtualMachines');
    });
    return controller;
  };
}

/** Milliseconds in which the same trouble is not told again. */
const TOLD_FOR = 60_000;

/** Logs what goes wrong on the API server: it is tried again every few seconds, and mostly fails for the same reason. */
function toldOnce(logger: Logger): (error: unknown, about: string) => void {
  const told = new Map<string, { message: string; at: number }>();
  return (error, about) => {
    const message = messageOf(error);
    const last = told.get(about);
    if (last?.message === message && Date.now() - last.at < TOLD_FOR) return;
    told.set(about, { message, at: Date.now() });
    const absent = error instanceof Error && 'code' in error && error.code === 404;
    logger.warn(
      { about, error: message, ...(absent && { cure: 'vmgroup crds | kubectl apply --server-side -f -' }) },
      'not done on the API server, tried again',
    );
  };
}

const STATE = { on: 'PoweredOn', off: 'PoweredOff', suspend: 'Suspended' } as const;

/** Changes a VM's power state at the console. */
export async function switchMachine(
  state: keyof typeof STATE,
  vm: { namespace: string; name: string },
  options: ConsoleOptions,
): Promise<void> {
  await atConsole(options, async (console) => {
    await console.power(vm, STATE[state]);
  });
  process.stdout.write(`${vm.namespace}/${vm.name} is ${STATE[state]} on the simulated platform\n`);
}

/** Most lines of the journal in a table. */
const TABLE_LINES = 10_000;

/** Prints the journal: all of it as JSON, the last {@link TABLE_LINES} lines for people. */
export async function printJournal(options: ConsoleOptions): Promise<void> {
  if (options.output === 'json') {
    await atConsole(options, async (console) => {
      for await (const line of console.journalLines()) process.stdout.write(JSON.stringify(line) + '\n');
    });
    return;
  }
  const lines: JournalLine[] = [];
  await atConsole(options, async (console) => {
    for await (const line of console.journalLines()) {
      lines.push(line);
      if (lines.length > TABLE_LINES) lines.shift();
    }
  });
  const [first] = lines;
  if (first && first.n > 1) process.stderr.write(`the last ${TABLE_LINES} lines; -o json has all of them\n`);
  print(options.output, lines, () =>
    table<JournalLine>(
      [
        { head: 'N', of: ({ n }) => n },
        { head: 'TIME', of: ({ at }) => new Date(at).toISOString() },
        { head: 'WHAT', of: ({ type }) => type },
        { head: 'VM', of: (line) => ('vm' in line ? line.vm : undefined) },
        { head: 'OPERATION', of: (line) => ('operation' in line ? line.operation : undefined) },
        { head: 'RESULT', of: resultOf },
        { head: 'CALLER', of: (line) => ('caller' in line ? line.caller : undefined) },
      ],
      lines,
    ),
  );
}

/** What a call was answered, what took effect, or how an operation failed. */
function resultOf(line: JournalLine): string | undefined {
  if ('answer' in line) return line.answer;
  if (line.type === 'effect') return line.effect;
  if (line.type === 'release')
    return `${line.vms.filter(({ answer }) => answer === 'Released').length} released`;
  return line.type === 'failed' ? `${line.class}: ${line.message}` : undefined;
}

type Console = InstanceType<ReturnType<typeof lazy.simulated>['SimulatorConsole']>;

async function atConsole<T>(options: ConsoleOptions, work: (console: Console) => Promise<T>): Promise<T> {
  const address = options.simulator ?? readLiveRecord(dataFolder(options.data))?.simulator?.address;
  if (address === undefined) {
    throw new CliError(`no simulator runs on ${dataFolder(options.data).dir}`, [
      'start vmgroup up or vmgroup simulator, or name one that runs: --simulator ADDRESS',
    ]);
  }
  const console = new (lazy.simulated().SimulatorConsole)(address);
  try {
    return await work(console);
  } catch (error: unknown) {
    throw new CliError(`the simulator at ${address}: ${messageOf(error)}`, [], { exitCode: EXIT.failed });
  } finally {
    console.close();
  }
}
