/** `vmgroup doctor`: looks at each part of a set-up and says what to do about what is wrong. */
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { TemporalTarget } from '../../worker';
import type { DoctorOptions } from '.';
import { dataFolder, readLiveRecord } from '../data-folder/data-folder';
import { asksForCluster, examineCluster } from './cluster';
import { examineRuns } from './runs';
import { CliError, EXIT, messageOf } from '../errors';
import * as lazy from '../lazy';
import { print, table } from '../output/output';
import { findTarget } from '../connections/temporal';
import { findTemporalCli, versionOf } from '../temporal-server/temporal-cli';

/** What was found about one part. */
export interface Finding {
  check: string;
  /** `note`: fine, but worth knowing. */
  result: 'ok' | 'note' | 'problem';
  message: string;
  cure?: string;
  /** What the message is made of, for programs. */
  facts?: Record<string, unknown>;
}

/** The oldest Temporal server with everything that runs use (reset of activities, update summaries). */
const OLDEST_SERVER = '1.28.0';

/**
 * Prints the findings.
 *
 * @throws CliError (exit 1) when there is a problem.
 */
export async function examine(options: DoctorOptions): Promise<void> {
  // A process on a cluster has no data folder, and needs no Temporal server of its own.
  const findings = asksForCluster(options)
    ? [node(), ...(await examineCluster(options)), ...(await temporal(options))]
    : [node(), await temporalTool(), data(options.data), ...(await temporal(options)), CLUSTER_LEFT_OUT];
  print(options.output, findings, () => asTable(findings));
  const problems = findings.filter(({ result }) => result === 'problem').length;
  if (problems > 0)
    throw new CliError(`${problems} of ${findings.length} checks found a problem`, [], {
      exitCode: EXIT.failed,
    });
}

const CLUSTER_LEFT_OUT: Finding = {
  check: 'cluster',
  result: 'note',
  message: 'not looked at',
  cure: 'vmgroup doctor --for serve looks at the cluster of the kubeconfig',
};

function asTable(findings: Finding[]): string {
  const lines = table<Finding>(
    [
      { head: 'CHECK', of: ({ check }) => check },
      { head: 'RESULT', of: ({ result }) => result },
      { head: 'FOUND', of: ({ message }) => message },
    ],
    findings,
  );
  const cures = findings.flatMap(({ check, cure }) => (cure === undefined ? [] : [`  → ${check}: ${cure}`]));
  return cures.length === 0 ? lines : `${lines}\n${cures.join('\n')}\n`;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  return {
    check: 'node',
    result: fits ? 'ok' : 'problem',
    message: process.version,
    ...(!fits && { cure: 'install Node.js 20.19 or newer' }),
  };
}

async function temporalTool(): Promise<Finding> {
  const check = 'temporal tool';
  try {
    const { path: binary, from } = await findTemporalCli({ installMissing: false });
    return { check, result: 'ok', message: `${await versionOf(binary)} at ${binary} (${from})` };
  } catch (error: unknown) {
    if (!(error instanceof CliError)) throw error;
    const named = Boolean(process.env['VMGROUP_TEMPORAL_CLI']);
    return {
      check,
      result: named ? 'problem' : 'note',
      message: error.message,
      cure: error.nextSteps.join(', '),
    };
  }
}

function data(dir: string): Finding {
  const check = 'data folder';
  const folder = dataFolder(dir);
  const live = readLiveRecord(folder);
  if (live)
    return {
      check,
      result: 'ok',
      message: `${folder.dir}, vmgroup ${live.command} works on it (pid ${live.pid})`,
    };
  try {
    let nearest = folder.dir;
    while (!existsSync(nearest)) nearest = path.dirname(nearest);
    accessSync(nearest, constants.W_OK);
    return { check, result: 'ok', message: `${folder.dir}, nobody works on it` };
  } catch (error: unknown) {
    return {
      check,
      result: 'problem',
      message: `${folder.dir} cannot be written: ${messageOf(error)}`,
      cure: 'make it writable, or name another with --data DIR',
    };
  }
}

async function temporal(options: DoctorOptions): Promise<Finding[]> {
  const target = findTarget(options);
  const asked = options.temporal ?? process.env['TEMPORAL_ADDRESS'] ?? process.env['TEMPORAL_CONFIG_FILE'];
  const running = readLiveRecord(dataFolder(options.data)) !== undefined;
  let connected;
  try {
    connected = await lazy.worker().connectClient(target, 5_000);
  } catch (error: unknown) {
    return [
      {
        check: 'temporal server',
        result: asked !== undefined || running ? 'problem' : 'note',
        message: messageOf(error),
        cure: 'vmgroup up PATH starts one; a server elsewhere is named with --temporal HOST:PORT or TEMPORAL_ADDRESS',
      },
    ];
  }
  try {
    const server = await serverFinding(connected.client, target);
    if (server.result === 'problem') return [server];
    return [
      server,
      await attributes(connected.client, target),
      await pollers(connected.client, target),
      ...(await examineRuns(connected.client)),
    ];
  } finally {
    await connected.close();
  }
}

async function serverFinding(client: Client, { address, namespace }: TemporalTarget): Promise<Finding> {
  const check = 'temporal server';
  try {
    const { serverVersion } = await client.workflowService.getSystemInfo({});
    await client.workflowService.describeNamespace({ namespace });
    const message = `${serverVersion} at ${address}, namespace ${namespace}`;
    if ((serverVersion ?? '').localeCompare(OLDEST_SERVER, 'en', { numeric: true }) >= 0)
      return { check, result: 'ok', message };
    return { check, result: 'problem', message, cure: `update the server to ${OLDEST_SERVER} or newer` };
  } catch (error: unknown) {
    return {
      check,
      result: 'problem',
      message: `${address}, namespace ${namespace}: ${messageOf(error)}`,
      cure: `create the namespace (temporal operator namespace create --namespace ${namespace}), or name another with --namespace`,
    };
  }
}

async function attributes(client: Client, { namespace }: TemporalTarget): Promise<Finding> {
  const check = 'search attributes';
  const { checkSearchAttributes, SearchAttributeError, SEARCH_ATTRIBUTE_TYPES } = lazy.worker();
  const problems = await checkSearchAttributes(client, namespace);
  if (problems.missing.length + problems.wrongType.length === 0)
    return {
      check,
      result: 'ok',
      message: `${Object.keys(SEARCH_ATTRIBUTE_TYPES).length} registered with the right types`,
    };
  const { problem: message, cure } = new SearchAttributeError(namespace, problems);
  return { check, result: 'problem', message, cure, facts: { ...problems } };
}

async function pollers(client: Client, { namespace }: TemporalTarget): Promise<Finding> {
  const check = 'worker';
  const name = lazy.worker().TASK_QUEUE;
  const { pollers: polling } = await client.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name },
    taskQueueType: 1,
  });
  // Temporal remembers a poller for minutes; one that lives asks again within one.
  const fresh = (polling ?? []).filter(
    ({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < 90_000,
  );
  if (fresh.length > 0)
    return {
      check,
      result: 'ok',
      message: `${fresh.length} on task queue ${name}: ${fresh.map(({ identity }) => identity).join(', ')}`,
    };
  return {
    check,
    result: 'problem',
    message: `nobody polls the task queue ${name}, so no run takes a step`,
    cure: 'start vmgroup up, vmgroup serve or vmgroup worker',
  };
}
