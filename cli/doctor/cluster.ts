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
  const answers: CheckResult = { check: 'api server', result: 'ok', message: `${api.address} answers` };
  try {
    if (options.mode === 'companion')
      return [answers, ...(await checkCompanionAccess(api, options)), ...(await checkMode(api, options))];
    const access = await Promise.all(
      processesOf(options).map((process) => checkAccess(api, process, options)),
    );
    return [
      answers,
      ...access.flat(),
      ...(await checkDefinitions(api)),
      await checkAdmission(api, options),
      ...(await checkCommandWebhooks(api, options)),
      await checkOtherControllers(api, options),
      ...(await checkMode(api, options)),
    ];
  } catch (error: unknown) {
    return [unreachable(api, error)];
  }
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
