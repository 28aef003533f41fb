/** Checks of a cluster with KubeVirt: its API, its version, the actions that it serves, the rights of a worker, and who else powers VMs. */
import { firstFew, own, type PlatformSettings } from '../../../api';
import type { ApiServer } from '../../../kubernetes';
import { connectCluster } from '../../connections';
import { CliError, messageOf } from '../../errors';
import * as lazy from '../../lazy';
import { counted } from '../../output';
import { checkRights } from '../access';
import type { CheckResult, Judgement } from '../check-result';
import { isKubernetesError } from '../kubernetes-error';
import { otherDrivers } from './kubevirt-drivers';
import type { ClusterDoctorOptions } from '../options';
import { KUBEVIRT_PERMISSIONS } from '../permissions';

/** VMs of which it is looked who else powers them. */
const MOST = 500;
/** Most names in one message. */
const NAMES = 5;
const ACTIONS_PATH = '/apis/subresources.kubevirt.io/v1';
const INSTALL = 'install KubeVirt in this cluster, or name another one: spec.kubevirt.kubeconfig and context';
const VIRT_API =
  'look at virt-api: kubectl get apiservice v1.subresources.kubevirt.io; kubectl -n kubevirt get pods';

/** Checks one cluster. Each step needs the one before. */
export async function checkKubevirt(
  name: string,
  settings: Extract<PlatformSettings, { type: 'kubevirt' }>,
  options: ClusterDoctorOptions = {},
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const add = (check: string, judgement: Judgement): void =>
    void results.push({ check: `${check} of ${name}`, ...judgement });
  let api: ApiServer;
  try {
    api = connectCluster(settings);
    add('api server', await judgeServer(api));
  } catch (error: unknown) {
    const cure = error instanceof CliError ? error.nextSteps.join(', ') : UNREACHABLE;
    add('api server', { result: 'problem', message: messageOf(error), cure });
    return results;
  }
  try {
    const rights = await checkRights(api, `rights of ${name}`, KUBEVIRT_PERMISSIONS, options);
    add('KubeVirt', await judgeKubevirt(api));
    add('actions', await judgeActions(api));
    results.push(...rights);
    for (const judgement of await judgeVms(api, options)) add('VMs', judgement);
  } catch (error: unknown) {
    add('KubeVirt', { result: 'problem', message: messageOf(error), cure: UNREACHABLE });
  }
  return results;
}

const UNREACHABLE = 'check whether kubectl get --raw /readyz reaches it with the same kubeconfig and context';

async function judgeServer(api: ApiServer): Promise<Judgement> {
  const version = textOf(await api.read('/version'), 'gitVersion');
  return { result: 'ok', message: `${api.address}${version === undefined ? '' : `: Kubernetes ${version}`}` };
}

/** Whether VMs are served in the version that is used, and which KubeVirt says so. */
async function judgeKubevirt(api: ApiServer): Promise<Judgement> {
  const served = await api.read('/apis/kubevirt.io/v1');
  if (!resourcesOf(served).includes('virtualmachines'))
    return {
      result: 'problem',
      message: `${api.address} does not serve virtualmachines of kubevirt.io/v1`,
      cure: INSTALL,
    };
  const version = await api
    .read(`${ACTIONS_PATH}/version`)
    .then((answer) => textOf(answer, 'gitVersion'))
    .catch(() => undefined);
  return {
    result: 'ok',
    message:
      version === undefined ? 'kubevirt.io/v1 is served; its version is not known' : `KubeVirt ${version}`,
    ...(version !== undefined && { facts: { version } }),
  };
}

/** Whether virt-api serves the actions that a run strategy cannot say. */
async function judgeActions(api: ApiServer): Promise<Judgement> {
  const needed = KUBEVIRT_PERMISSIONS.flatMap(({ resource, subresource }) => {
    const { group, plural } = lazy.kubernetes().RESOURCES[resource];
    return group === 'subresources.kubevirt.io' && subresource !== undefined
      ? [`${plural}/${subresource}`]
      : [];
  });
  try {
    const served = resourcesOf(await api.read(ACTIONS_PATH));
    const missing = needed.filter((action) => !served.includes(action));
    if (missing.length === 0)
      return {
        result: 'ok',
        message: `${needed.map((action) => action.replace(/^.*\//, '')).join(', ')} are served`,
      };
    return {
      result: 'problem',
      message: `${missing.join(', ')} of subresources.kubevirt.io are not served: VMs of some run strategies cannot be powered`,
      cure: VIRT_API,
      facts: { missing },
    };
  } catch (error: unknown) {
    if (!isKubernetesError(error)) throw error;
    return { result: 'problem', message: `virt-api does not answer: ${error.message}`, cure: VIRT_API };
  }
}

async function judgeVms(
  api: ApiServer,
  { watchNamespaces = [] }: ClusterDoctorOptions,
): Promise<Judgement[]> {
  const { kubevirtMachines } = lazy.kubernetes().RESOURCES;
  const namespaces = watchNamespaces.length === 0 ? [undefined] : watchNamespaces;
  try {
    const lists = await Promise.all(
      namespaces.map((namespace) =>
        api.list(kubevirtMachines, { limit: MOST, ...(namespace !== undefined && { namespace }) }),
      ),
    );
    const vms = lists.flatMap(({ items }) => items);
    const more = lists.some(({ metadata }) => Boolean(metadata.continue)) ? ' at least' : '';
    return [
      {
        result: 'ok',
        message: `${counted(vms.length, 'VirtualMachine')}${more}`,
        facts: { count: vms.length },
      },
      ...otherDrivers(vms).map(({ what, why, cure, vms: named }): Judgement => ({
        result: 'note',
        message: `${what} ${firstFew(named, NAMES).join(', ')}: ${why}`,
        cure,
        facts: { what, vms: named },
      })),
    ];
  } catch (error: unknown) {
    // The check of rights reports what is missing.
    if (isKubernetesError(error) && (error.isForbidden || error.isAbsent)) return [];
    throw error;
  }
}

function resourcesOf(answer: unknown): string[] {
  const { resources } = (answer ?? {}) as { resources?: unknown };
  if (!Array.isArray(resources)) return [];
  return resources.flatMap((each: unknown) => textOf(each, 'name') ?? []);
}

function textOf(answer: unknown, field: string): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const text = own(answer as Record<string, unknown>, field);
  return typeof text === 'string' ? text.slice(0, 200) : undefined;
}
