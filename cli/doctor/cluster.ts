/** Checks of a cluster: permissions, CustomResourceDefinitions, admission, other controllers. */
import type { ApiServer } from '../../kubernetes';
import { connectCluster } from '../connections';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { checkAccess, checkCompanionAccess } from './access';
import { checkAdmission } from './admission';
import type { CheckResult } from './check-result';
import { checkCommandWebhooks } from './command-webhooks';
import { checkDefinitions } from './definitions';
import { isKubernetesError } from './kubernetes-error';
import { checkMode } from './mode';
import type { ClusterDoctorOptions } from './options';
import { checkOtherControllers } from './other-controllers';
import type { ClusterProcess } from './permissions';

/** Whether the options, or the pod that this process runs in, ask for checks of a cluster. */
export function checksCluster(options: ClusterDoctorOptions): boolean {
  const { for: role, kubeconfig, context, watchNamespaces } = options;
  const named = role ?? kubeconfig ?? context ?? watchNamespaces;
  return named !== undefined || lazy.kubernetes().inClusterNamespace() !== undefined;
}

/** Checks the cluster. Never rejects with an error of the API server: it becomes a problem. */
export async function checkCluster(options: ClusterDoctorOptions): Promise<CheckResult[]> {
  let api: ApiServer;
  try {
    api = connectCluster(options);
  } catch (error: unknown) {
    if (!(error instanceof CliError)) throw error;
    return [
      { check: 'api server', result: 'problem', message: error.message, cure: error.nextSteps.join(', ') },
    ];
  }
  const results: CheckResult[] = [];
  try {
    for (const check of checksOf(options)) results.push(...(await check(api)));
    return [{ check: 'api server', result: 'ok', message: `${api.address} answers` }, ...results];
  } catch (error: unknown) {
    return [unreachable(api, error), ...results];
  }
}

type ClusterCheck = (api: ApiServer) => Promise<CheckResult[]>;

/** The checks, one after the other: what the first ones find counts also if a later one fails (DOCTOR-1). */
function checksOf(options: ClusterDoctorOptions): ClusterCheck[] {
  const mode: ClusterCheck = (api) => checkMode(api, options);
  if (options.mode === 'companion') return [(api) => checkCompanionAccess(api, options), mode];
  return [
    ...processesOf(options).map(
      (process): ClusterCheck =>
        (api) =>
          checkAccess(api, process, options),
    ),
    checkDefinitions,
    async (api) => [await checkAdmission(api, options)],
    (api) => checkCommandWebhooks(api, options),
    async (api) => [await checkOtherControllers(api, options)],
    mode,
  ];
}

function processesOf({ for: role = 'serve' }: ClusterDoctorOptions): ClusterProcess[] {
  return role === 'serve' ? ['bridge', 'worker'] : [role];
}

function unreachable({ address }: ApiServer, error: unknown): CheckResult {
  return {
    check: 'api server',
    result: 'problem',
    message: `${address}: ${messageOf(error)}`,
    cure:
      isKubernetesError(error) && error.code === 401
        ? 'log in again, or name another kubeconfig or context: --kubeconfig PATH --context NAME'
        : 'check whether kubectl get --raw /readyz reaches it with the same kubeconfig and context',
  };
}
