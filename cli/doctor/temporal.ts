/** Checks of Temporal: server, search attributes, workers, open runs. */
import type { Client } from '@temporalio/client';
import type { TemporalClient, TemporalTarget } from '../../worker';
import { findTarget } from '../connections';
import { dataFolder, readLiveRecord } from '../data-folder';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import type { TemporalOptions } from '../options';
import type { CheckResult } from './check-result';
import { checkRuns } from './runs';

/** The oldest Temporal server with everything that runs use (reset of activities, update summaries). */
const OLDEST_SERVER = '1.28.0';

/** Longest wait for the server, milliseconds. */
const CONNECT_TIMEOUT = 5_000;

/** Checks the server, and if it fits, everything on it. */
export async function checkTemporal(options: TemporalOptions): Promise<CheckResult[]> {
  const target = findTarget(options);
  let connected: TemporalClient;
  try {
    connected = await lazy.worker().connectClient(target, CONNECT_TIMEOUT);
  } catch (error: unknown) {
    return [
      {
        check: 'temporal server',
        result: isExpected(options) ? 'problem' : 'note',
        message: messageOf(error),
        cure: 'vmgroup up PATH starts one; name a running one with --temporal HOST:PORT or TEMPORAL_ADDRESS',
      },
    ];
  }
  const { client } = connected;
  try {
    const server = await checkServer(client, target);
    if (server.result === 'problem') return [server];
    return [
      server,
      await checkAttributes(client, target),
      await checkWorkers(client, target),
      ...(await checkRuns(client, lazy.worker().temporalFlags(target))),
    ];
  } finally {
    await connected.close();
  }
}

/** Whether a server was named, or one should run because `up` or `serve` does. */
function isExpected({ temporal, data }: TemporalOptions): boolean {
  const named = temporal ?? process.env['TEMPORAL_ADDRESS'] ?? process.env['TEMPORAL_CONFIG_FILE'];
  return named !== undefined || readLiveRecord(dataFolder(data)) !== undefined;
}

async function checkServer(client: Client, { address, namespace }: TemporalTarget): Promise<CheckResult> {
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
      cure: `create the namespace (temporal operator namespace create${lazy.worker().addressFlag(address)} --namespace ${namespace}), or name another one with --namespace`,
    };
  }
}

async function checkAttributes(client: Client, target: TemporalTarget): Promise<CheckResult> {
  const check = 'search attributes';
  const { SEARCH_ATTRIBUTE_TYPES } = lazy.contract();
  const { checkSearchAttributes, SearchAttributeError } = lazy.worker();
  const problems = await checkSearchAttributes(client, target.namespace);
  if (problems.missing.length + problems.wrongType.length === 0) {
    const count = Object.keys(SEARCH_ATTRIBUTE_TYPES).length;
    return { check, result: 'ok', message: `${count} registered with the right types` };
  }
  const { problem: message, cure } = new SearchAttributeError(target, problems);
  return { check, result: 'problem', message, cure, facts: { ...problems } };
}

async function checkWorkers(client: Client, { namespace }: TemporalTarget): Promise<CheckResult> {
  const check = 'worker';
  const { noWorkerText, TASK_QUEUE: name, workflowPollers } = lazy.worker();
  const living = await workflowPollers(client, namespace);
  if (living.length > 0) {
    return { check, result: 'ok', message: `${living.length} on task queue ${name}: ${living.join(', ')}` };
  }
  return {
    check,
    result: 'problem',
    message: noWorkerText(),
    cure: 'start vmgroup up, vmgroup serve or vmgroup worker',
  };
}
