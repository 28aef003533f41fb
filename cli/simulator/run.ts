/** `vmgroup simulator run`. */
import type { Logger } from 'pino';
import { pino } from 'pino';
import type { ApiServer } from '../../kubernetes';
import type { GroupController, Simulator } from '../../simulator';
import { connectCluster } from '../connections';
import { dataFolder } from '../data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { inventoryOf, readManifests } from '../manifests';
import { watchedNamespaces, type ClusterOptions } from '../options';
import { printLine, printNote } from '../output';
import { LOG_FORMAT, logTo, stopSignal, untilStopped } from '../runtime';

/** Options of `simulator run`. */
export interface SimulatorRunOptions extends ClusterOptions {
  /** Path of the data folder. */
  data: string;
  port: number;
  /** Stand in for VM Operator's VM controller. */
  kubernetes?: true;
  /** Stand in for its group controller too. */
  groupController?: true;
}

/** Milliseconds for which the same error is not logged again. */
const REPEAT_AFTER = 60_000;

/**
 * Runs the simulated platform until Ctrl-C.
 *
 * @throws CliError if the inventory is invalid, no API server is configured, the simulator does not start, or its journal can no longer be written.
 */
export async function runSimulator(paths: string[], options: SimulatorRunOptions): Promise<void> {
  const inventory =
    paths.length === 0 ? undefined : inventoryOf(await readManifests(paths, { streams: true }));
  const signal = stopSignal();
  const startController = options.kubernetes ? connectController(options, signal) : undefined;
  const broken = new AbortController();
  const simulator = await lazy
    .simulator()
    .startSimulator({
      dataDir: dataFolder(options.data).simulator,
      port: options.port,
      onBroken: (error) => broken.abort(error),
      ...(inventory && { inventory }),
    })
    .catch((error: unknown) => {
      throw new CliError(`the simulator did not start: ${messageOf(error)}`, [
        'stop another one on the same --data, or, if the port is taken, use any free port: --port 0',
      ]);
    });
  printLine(simulator.address);
  printNote(`simulated platform: journal in ${simulator.journal}; Ctrl-C stops it`);
  const controller = startController?.(simulator);
  await untilStopped(AbortSignal.any([signal, broken.signal]));
  await controller?.stop();
  await simulator.close();
  if (broken.signal.aborted) {
    throw new CliError(`the simulator stopped: ${messageOf(broken.signal.reason)}`, [
      'make room on the disk, or stop the other process, and start it again',
    ]);
  }
}

/** Connects before anything starts, so that a wrong kubeconfig fails at once. Returns the function that starts the VM controller. */
function connectController(
  options: SimulatorRunOptions,
  signal: AbortSignal,
): (simulator: Simulator) => { stop(): Promise<void> } {
  const api = connectCluster(options);
  const namespaces = watchedNamespaces(options);
  const logger = pino(LOG_FORMAT, logTo(2));
  return ({ machine }) => {
    logger.info({ server: api.address, namespaces }, "stands in for VM Operator's VM controller");
    const { VmController } = lazy.simulator();
    const controller = new VmController({
      api,
      machine,
      ...(namespaces && { namespaces }),
      onError: errorLog(logger),
    });
    const groups = options.groupController && startGroupController({ api, machine, namespaces, logger });
    void controller.synced().then(() => {
      if (!signal.aborted) logger.info('watches the VirtualMachines');
    });
    return { stop: async () => void (await Promise.all([controller.stop(), groups?.stop()])) };
  };
}

function startGroupController({
  api,
  machine,
  namespaces,
  logger,
}: {
  api: ApiServer;
  machine: Simulator['machine'];
  namespaces: string[] | undefined;
  logger: Logger;
}): GroupController {
  logger.info("stands in for VM Operator's group controller");
  const { GroupController } = lazy.simulator();
  return new GroupController({ api, machine, ...(namespaces && { namespaces }), onError: errorLog(logger) });
}

/** Logs errors of the API server. A call is retried every few seconds, and mostly fails for the same reason, which is logged once a minute. */
function errorLog(logger: Logger): (error: unknown, about: string) => void {
  const logged = new Map<string, { message: string; at: number }>();
  return (error, about) => {
    const message = messageOf(error);
    const last = logged.get(about);
    if (last?.message === message && Date.now() - last.at < REPEAT_AFTER) return;
    logged.set(about, { message, at: Date.now() });
    const isAbsent = error instanceof Error && 'code' in error && error.code === 404;
    const remedy = 'vmgroup crds | kubectl apply --server-side -f -';
    logger.warn(
      { about, error: message, ...(isAbsent && { remedy }) },
      'a call to the API server failed, retrying',
    );
  };
}
