/** Operator commands as `OperatorCommand` objects, which the bridge of a cluster carries out. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectName, OperatorCommandName, OperatorCommandSpec } from '../../api';
import type { ApiServer, KubernetesObject } from '../../kubernetes';
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
    ...{ group, command, reason, actor },
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
  const { KubernetesError } = lazy.kubernetes();
  try {
    return await api.create(resource, { metadata, spec } as unknown as KubernetesObject, {
      fieldManager: FIELD_MANAGER,
    });
  } catch (error: unknown) {
    // The webhook says more than that this user may not create the object.
    if (!(error instanceof KubernetesError)) throw error;
    if (error.code === 422 || /admission webhook/.test(error.message))
      throw new CliError(messageOf(error), [], { cause: error });
    return callCluster(api, { verb: 'create', resource, namespace: metadata.namespace }, () =>
      Promise.reject(error),
    );
  }
}

/** What is read of the status. */
interface Answer {
  phase?: string;
  message?: string;
}

async function answerTo(
  api: ApiServer,
  created: KubernetesObject,
  options: OperatorCommandOptions,
): Promise<string> {
  const resource = lazy.kubernetes().RESOURCES.operatorCommands;
  const { namespace = '', name } = created.metadata;
  const deadline = performance.now() + ANSWER_TIMEOUT;
  let last: Answer = {};
  while (performance.now() < deadline) {
    const object = await callCluster(api, { verb: 'get', resource, namespace }, () =>
      api.get(resource, { namespace, name }),
    );
    if (!object) throw new CliError(`the command ${namespace}/${name} was removed before it was answered`);
    last = object.status ?? {};
    if (last.phase === 'Done') return last.message ?? '';
    if (last.phase === 'Refused' || last.phase === 'Failed')
      throw new CliError(`${last.phase === 'Refused' ? 'refused' : 'no answer'}: ${last.message ?? ''}`, [
        `see the state of the group: vmgroup describe ${namespace}/${group(created)}${clusterFlags(options)}`,
      ]);
    await sleep(PAUSE);
  }
  throw new CliError(
    `no answer within ${ANSWER_TIMEOUT / 1_000} s${last.message ? `: ${last.message}` : ''}; the command stands, and is carried out when it can be`,
    [
      `follow it: kubectl -n ${namespace} get operatorcommand ${name} -w`,
      `take it back: kubectl -n ${namespace} delete operatorcommand ${name}`,
      'see whether a bridge runs: vmgroup doctor --for bridge',
    ],
  );
}

function group({ spec }: KubernetesObject): string {
  return (spec as OperatorCommandSpec).group;
}
