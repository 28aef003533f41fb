/** Checks whether another controller acts on groups too. */
import type { OtherController } from '../../bridge';
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import { counted } from '../output';
import { WEBHOOKS, webhooksOf } from './admission';
import type { CheckResult, Judgement } from './check-result';
import { isKubernetesError } from './kubernetes-error';

/** Most groups per namespace that are checked. */
const MOST_GROUPS = 500;

const ONE_OF_THEM = 'docs/how-to/beside-vm-operator.md shows how to let only one of them act';
const GONE =
  'if that controller has stopped since: the next write of the bridge clears this, such as after a restart of the bridge (kubectl -n vmgroup-system rollout restart deployment/vmgroup-bridge)';

/** A group whose status another controller has written. */
interface WrittenGroup extends OtherController {
  group: KubernetesObject;
}

/** Checks who else writes the status of groups. */
export async function checkOtherControllers(api: ApiServer, options: ClusterOptions): Promise<CheckResult> {
  return { check: 'other controllers', ...(await judge(api, watchedNamespaces(options))) };
}

async function judge(api: ApiServer, namespaces: string[] | undefined): Promise<Judgement> {
  let groups: KubernetesObject[];
  try {
    groups = await listSomeGroups(api, namespaces);
  } catch (error: unknown) {
    if (!isKubernetesError(error) || !(error.isForbidden || error.isAbsent)) throw error;
    return { result: 'note', message: `unknown: ${messageOf(error)}` };
  }
  const written = groups.flatMap((group): WrittenGroup[] => {
    const other = lazy.bridge().otherController(group);
    return other ? [{ group, ...other }] : [];
  });
  const active = written.filter((each) => each.active);
  const [first] = active;
  if (first) return contested(first, active);
  const foreign = await foreignWebhook(api);
  if (foreign !== undefined)
    return {
      result: 'note',
      message: `webhook configuration ${foreign} checks groups: VM Operator has its group feature on, so its group controller acts too, unless it was removed from the build or stopped`,
      cure: ONE_OF_THEM,
    };
  if (groups.length === 0) return { result: 'ok', message: 'no sign of any; there are no groups yet' };
  const [past] = written;
  const wrote = past ? `; ${past.manager} wrote last at ${timeOf(past)}, before us` : '';
  return { result: 'ok', message: `none writes the status of ${counted(groups.length, 'group')}${wrote}` };
}

function contested(first: WrittenGroup, active: WrittenGroup[]): Judgement {
  const { namespace, name } = first.group.metadata;
  const count = counted(active.length, 'group');
  return {
    result: 'problem',
    message: `${first.manager} writes the status of ${count} too, such as ${namespace}/${name} at ${timeOf(first)}: two controllers power the same VMs`,
    cure: `${ONE_OF_THEM}; ${GONE}`,
    facts: {
      groups: active.map((each) => ({
        namespace: each.group.metadata.namespace,
        name: each.group.metadata.name,
        manager: each.manager,
        at: timeOf(each),
      })),
    },
  };
}

function timeOf({ at }: OtherController): string {
  return new Date(at).toISOString();
}

async function listSomeGroups(api: ApiServer, namespaces: string[] | undefined): Promise<KubernetesObject[]> {
  const { virtualMachineGroups } = lazy.kubernetes().RESOURCES;
  const limit = MOST_GROUPS;
  const lists = await Promise.all(
    (namespaces ?? [undefined]).map((namespace) =>
      api.list(virtualMachineGroups, { limit, ...(namespace !== undefined && { namespace }) }),
    ),
  );
  return lists.flatMap(({ items }) => items);
}

/** VM Operator installs webhooks for groups only with its group feature. Undefined also if they may not be read. */
async function foreignWebhook(api: ApiServer): Promise<string | undefined> {
  try {
    const { items } = await api.list(lazy.kubernetes().RESOURCES.validatingWebhookConfigurations);
    return items.find((each) => each.metadata.name !== WEBHOOKS && checksGroups(each))?.metadata.name;
  } catch (error: unknown) {
    if (isKubernetesError(error) && error.isForbidden) return undefined;
    throw error;
  }
}

function checksGroups(configuration: KubernetesObject): boolean {
  const rules = webhooksOf(configuration).flatMap((webhook) => webhook.rules ?? []);
  return rules.some(
    ({ apiGroups, resources }) =>
      apiGroups?.includes('vmoperator.vmware.com') && resources?.includes('virtualmachinegroups'),
  );
}
