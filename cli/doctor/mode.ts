/** Checks which mode fits a cluster: whether VM Operator's own group controller acts, from what an editor of a namespace can see. */
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import { watchedNamespaces } from '../options';
import { counted } from '../output';
import { TRIAL_NAME } from './admission';
import type { CheckResult } from './check-result';
import { isKubernetesError } from './kubernetes-error';
import type { ClusterDoctorOptions } from './options';

/** Most groups and VMs of a namespace that are read. */
const MOST = 500;
/** Most objects that a message names. */
const MOST_NAMED = 5;

const HOW_TO = 'docs/how-to/companion.md';

/** A sign of VM Operator's group controller, in words. */
type Sign = string;

/** Checks the mode, and with `companion` what keeps groups from being powered in order. */
export async function checkMode(api: ApiServer, options: ClusterDoctorOptions): Promise<CheckResult[]> {
  const { virtualMachineGroups, virtualMachines } = lazy.kubernetes().RESOURCES;
  const namespaces = watchedNamespaces(options);
  const groups = await listSome(api, virtualMachineGroups, namespaces);
  if (!Array.isArray(groups)) return [{ check: 'mode', result: 'note', message: groups.unknown }];
  const signs = [...signsOn(groups), ...(await signOfWebhook(api, namespaces?.[0] ?? 'default'))];
  const result = judge(signs, options.mode ?? 'controller');
  if (options.mode !== 'companion') return [result];
  const machines = await listSome(api, virtualMachines, namespaces);
  return [result, ...contested(groups), ...early(Array.isArray(machines) ? machines : [])];
}

function judge(signs: readonly Sign[], mode: 'controller' | 'companion'): CheckResult {
  const check = 'mode';
  const facts = { mode, signs };
  if (signs.length === 0) {
    const message = "no sign of VM Operator's group controller";
    if (mode === 'controller')
      return { check, result: 'ok', message: `${message}: the mode controller fits`, facts };
    return {
      check,
      result: 'note',
      message: `${message}: without it no VM of a group is created in the mode companion`,
      cure: 'if it does not act here, run without --mode companion',
      facts,
    };
  }
  const said = `VM Operator's group controller acts: ${signs.join('; ')}`;
  if (mode === 'companion') return { check, result: 'ok', message: said, facts };
  return {
    check,
    // That both power the same VMs is a problem of its own: see other-controllers.ts.
    result: 'note',
    message: said,
    cure: `run vmgroup alongside it: --mode companion (${HOW_TO})`,
    facts,
  };
}

/** Groups whose status another controller writes and we do not. */
function signsOn(groups: readonly KubernetesObject[]): Sign[] {
  const { otherController, FIELD_MANAGER } = lazy.bridge();
  const written = groups.filter(({ metadata }) =>
    (metadata.managedFields ?? []).every(
      ({ manager, subresource }) => subresource !== 'status' || manager !== FIELD_MANAGER,
    ),
  );
  const others = written.flatMap((group) => {
    const other = otherController(group);
    return other ? [{ group, other }] : [];
  });
  const [first] = others;
  if (!first) return [];
  const { namespace, name } = first.group.metadata;
  const at = new Date(first.other.at).toISOString();
  return [
    `${first.other.manager} writes the status of ${counted(others.length, 'group')}, such as ${namespace}/${name} at ${at}`,
  ];
}

/** Creates a group as a dry run, so nothing is stored: VM Operator's webhook marks it. */
async function signOfWebhook(api: ApiServer, namespace: string): Promise<Sign[]> {
  const group = {
    metadata: { namespace, name: TRIAL_NAME },
    spec: { nextForcePowerStateSyncTime: 'now' },
  };
  try {
    const { virtualMachineGroups } = lazy.kubernetes().RESOURCES;
    const { metadata } = await api.create(virtualMachineGroups, group, { dryRun: true });
    return metadata.annotations && lazy.vmOperator().LAST_UPDATED in metadata.annotations
      ? ["VM Operator's webhook for groups answers, which is installed together with it"]
      : [];
  } catch (error: unknown) {
    // Neither a missing right to create nor a refusal tells anything.
    if (isKubernetesError(error)) return [];
    throw error;
  }
}

function contested(groups: readonly KubernetesObject[]): CheckResult[] {
  const set = groups.filter(({ spec }) => Boolean((spec as { powerState?: string } | undefined)?.powerState));
  if (set.length === 0) return [];
  return [
    {
      check: 'power state of groups',
      result: 'problem',
      message: `spec.powerState is set, so VM Operator powers the members and vmgroup does nothing: ${named(set)}`,
      cure: `replace the group without it: ${HOW_TO} (When spec.powerState is set)`,
      facts: { groups: set.map(({ metadata: { namespace, name } }) => ({ namespace, name })) },
    },
  ];
}

function early(machines: readonly KubernetesObject[]): CheckResult[] {
  const { startsByItself } = lazy.vmOperator();
  const { trimVirtualMachine } = lazy.kubernetes();
  const eager = machines.filter((machine) => {
    const vm = trimVirtualMachine(machine);
    return Boolean(vm.spec.groupName) && startsByItself(vm);
  });
  if (eager.length === 0) return [];
  return [
    {
      check: 'power state of VMs',
      result: 'note',
      message: `VM Operator powers them on as soon as it has created them, maybe before their turn: ${named(eager)}`,
      cure: 'write spec.powerState: PoweredOff in their manifests',
      facts: { vms: eager.map(({ metadata: { namespace, name } }) => ({ namespace, name })) },
    },
  ];
}

function named(objects: readonly KubernetesObject[]): string {
  const names = objects.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return names.slice(0, MOST_NAMED).join(', ') + more;
}

async function listSome(
  api: ApiServer,
  resource: Parameters<ApiServer['list']>[0],
  namespaces: string[] | undefined,
): Promise<KubernetesObject[] | { unknown: string }> {
  try {
    const lists = await Promise.all(
      (namespaces ?? [undefined]).map((namespace) =>
        api.list(resource, { limit: MOST, ...(namespace !== undefined && { namespace }) }),
      ),
    );
    return lists.flatMap(({ items }) => items);
  } catch (error: unknown) {
    if (!isKubernetesError(error) || !(error.isForbidden || error.isAbsent)) throw error;
    return { unknown: `unknown: ${messageOf(error)}` };
  }
}
