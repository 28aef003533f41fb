/**
 * Checks of Temporal: server, search attributes, workers, open runs.
 *
 * DOCTOR-1: a check that fails is a problem of its own, and keeps no other one from being made.
 */
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

/** Checks the server, and if it fits, everything on it. Never rejects (DOCTOR-1). */
export async function checkTemporal(options: TemporalOptions): Promise<CheckResult[]> {
  let target: TemporalTarget;
  try {
    target = findTarget(options);
  } catch (error: unknown) {
    return [unusable('temporal settings', error)];
  }
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
      await checked('search attributes', (check) => checkAttributes(check, client, target)),
      await checked('worker', (check) => checkWorkers(check, client, target)),
      ...(await checkRuns(client, lazy.worker().temporalFlags(target))),
    ];
  } finally {
    await connected.close();
  }
}

/** What the environment or a file names cannot be used. */
function unusable(check: string, error: unknown): CheckResult {
  return {
    check,
    result: 'problem',
    message: messageOf(error),
    cure: 'correct VMGROUP_ENCRYPTION_KEYS, TEMPORAL_CONFIG_FILE or the file that it names',
  };
}

/** DOCTOR-1. */
async function checked(check: string, judge: (check: string) => Promise<CheckResult>): Promise<CheckResult> {
  try {
    return await judge(check);
  } catch (error: unknown) {
    return {
      check,
      result: 'problem',
      message: `unknown: ${messageOf(error)}`,
      cure: 'check whether the server still answers, and the rights of this user there: the processes of vmgroup need them too',
    };
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

async function checkAttributes(check: string, client: Client, target: TemporalTarget): Promise<CheckResult> {
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

async function checkWorkers(
  check: string,
  client: Client,
  { namespace }: TemporalTarget,
): Promise<CheckResult> {
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
