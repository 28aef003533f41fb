/**
 * Operator commands as `OperatorCommand` objects, which the bridge of a cluster carries out.
 *
 * COMMAND-OBJECT-1: once the object is created, every error says so, as a second command would be carried out too. A look that fails is followed by
 *     another one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectName, OperatorCommandName, OperatorCommandSpec } from '../../api';
import type { ApiServer, KubernetesError, KubernetesObject } from '../../kubernetes';
import { callCluster, connectCluster, FIELD_MANAGER, isTemporalNamed } from '../connections';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { clusterFlags } from '../options';
import { printLine } from '../output';
import type { OperatorCommandOptions } from './send';

/** Longest wait for the answer, milliseconds: as long as an Update may take, and a moment. */
const ANSWER_TIMEOUT = 20_000;
/** Milliseconds between two looks. */
const PAUSE = 250;
/** `KubernetesError.code` if no answer came. */
const NO_ANSWER = 0;

/** Whether a command goes to Temporal itself, since a server is named. */
export function reachesTemporal(options: OperatorCommandOptions): boolean {
  return isTemporalNamed(options);
}

/**
 * Creates the object, waits for the answer, and prints it.
 *
 * @throws CliError if the API server refuses, or the run does, or no bridge answers in time.
 */
export async function createCommand(
  command: OperatorCommandName,
  { namespace, name: group }: ObjectName,
  { member, choice }: { member?: string | undefined; choice?: string | undefined },
  options: OperatorCommandOptions,
): Promise<void> {
  const { actor, reason } = options;
  const api = connectCluster(options);
  const spec: OperatorCommandSpec = {
    group,
    command,
    reason,
    actor,
    ...(member !== undefined && { member }),
    ...(choice !== undefined && { choice }),
  };
  const created = await create(api, { namespace, generateName: `${command}-` }, spec);
  printLine(await answerTo(api, created, options));
}

async function create(
  api: ApiServer,
  metadata: { namespace: string; generateName: string },
  spec: OperatorCommandSpec,
): Promise<KubernetesObject> {
  const resource = lazy.kubernetes().RESOURCES.operatorCommands;
  try {
    return await api.create(resource, { metadata, spec } as unknown as KubernetesObject, {
      fieldManager: FIELD_MANAGER,
    });
  } catch (error: unknown) {
    // The webhook says more than that this user may not create the object.
    if (!(error instanceof lazy.kubernetes().KubernetesError)) throw error;
    if (error.code === 422 || /admission webhook/.test(error.message))
      throw new CliError(messageOf(error), [], { cause: error });
    const { namespace } = metadata;
    return callCluster<KubernetesObject>(api, { verb: 'create', resource, namespace }, () =>
      Promise.reject(error),
    ).catch((explained: unknown) => {
      throw maybeCreated(explained, namespace);
    });
  }
}

/** COMMAND-OBJECT-1: a request without an answer may have been carried out. */
function maybeCreated(error: unknown, namespace: string): unknown {
  if (!(error instanceof CliError) || (error.cause as KubernetesError).code !== NO_ANSWER) return error;
  const look = `see whether the command was created: kubectl -n ${namespace} get operatorcommands`;
  return new CliError(error.message, [look, ...error.nextSteps], { cause: error.cause });
}

/** COMMAND-OBJECT-1. */
async function answerTo(
  api: ApiServer,
  created: KubernetesObject,
  options: OperatorCommandOptions,
): Promise<string> {
  const { namespace = '', name } = created.metadata;
  const deadline = performance.now() + ANSWER_TIMEOUT;
  let last: Look = {};
  while (performance.now() < deadline) {
    last = await look(api, created);
    const { phase, message = '' } = last;
    if (phase === 'Removed')
      throw new CliError(`the command ${namespace}/${name} was removed before it was answered`);
    if (phase === 'Done') return message;
    if (phase === 'Refused' || phase === 'Failed')
      throw new CliError(`${phase === 'Refused' ? 'refused' : 'no answer'}: ${message}`, [
        `see the state of the group: vmgroup describe ${namespace}/${group(created)}${clusterFlags(options)}`,
      ]);
    if (last.error?.lasts) break;
    await sleep(PAUSE);
  }
  throw unanswered(created, last);
}

/** One look at a command: its status, `Removed`, or why it could not be read. */
interface Look {
  phase?: string;
  message?: string;
  error?: {
    text: string;
    /** This user may not read it, and so will not with the next look. */
    lasts: boolean;
    steps: readonly string[];
  };
}

async function look(api: ApiServer, { metadata: { namespace = '', name } }: KubernetesObject): Promise<Look> {
  const resource = lazy.kubernetes().RESOURCES.operatorCommands;
  try {
    const object = await callCluster(api, { verb: 'get', resource, namespace }, () =>
      api.get(resource, { namespace, name }),
    );
    return object ? (object.status ?? {}) : { phase: 'Removed' };
  } catch (error: unknown) {
    const cause = error instanceof CliError ? error.cause : undefined;
    const { code } = (cause ?? error) as { code?: unknown };
    const steps = error instanceof CliError ? error.nextSteps : [];
    return { error: { text: messageOf(error), lasts: code === 401 || code === 403, steps } };
  }
}

function unanswered({ metadata: { namespace = '', name } }: KubernetesObject, last: Look): CliError {
  const { message, error } = last;
  const why = error
    ? `cannot read its answer: ${error.text}`
    : `no answer within ${ANSWER_TIMEOUT / 1_000} s`;
  return new CliError(
    `the command ${namespace}/${name} stands, and is carried out when it can be; ${why}${message ? `: ${message}` : ''}`,
    [
      ...(error?.steps ?? []),
      `follow it: kubectl -n ${namespace} get operatorcommand ${name} -w`,
      `take it back: kubectl -n ${namespace} delete operatorcommand ${name}`,
      ...(error ? [] : ['see whether a bridge runs: vmgroup doctor --for bridge']),
    ],
  );
}

function group({ spec }: KubernetesObject): string {
  return (spec as OperatorCommandSpec).group;
}
