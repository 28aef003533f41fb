/** What `vmgroup doctor` says about a cluster: rights, CustomResourceDefinitions, webhooks, and who else acts on groups. */
import type { ApiServer, KubernetesError, KubernetesObject, Resource } from '../../kubernetes';
import { connectCluster, watchedNamespaces, type ClusterOptions } from '../connections/cluster';
import type { Finding } from './doctor';
import { judgeDefinition, notInstalled, type Judgement } from './definitions';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { PERMISSIONS, ROLE, type Permission, type Process } from './permissions';

/** What {@link examineCluster} is told. */
export interface ClusterDoctorOptions extends ClusterOptions {
  for?: Process | 'serve';
  leaseNamespace?: string;
}

/** Name of our webhook configurations. */
const WEBHOOKS = 'vmgroup';
/** Questions that are open at the same time. */
const CONCURRENCY = 8;
/** Groups that are looked at for another controller. */
const MOST_GROUPS = 500;

/** Whether the options, or where we run, ask for a cluster to be looked at. */
export function asksForCluster(options: ClusterDoctorOptions): boolean {
  const { for: role, kubeconfig, context, watchNamespaces } = options;
  const named = role ?? kubeconfig ?? context ?? watchNamespaces;
  return named !== undefined || lazy.kubernetes().inClusterNamespace() !== undefined;
}

/** Looks at the cluster. Never rejects: what cannot be looked at is a finding. */
export async function examineCluster(options: ClusterDoctorOptions): Promise<Finding[]> {
  let api: ApiServer;
  try {
    api = connectCluster(options);
  } catch (error: unknown) {
    if (!(error instanceof CliError)) throw error;
    return [
      { check: 'api server', result: 'problem', message: error.message, cure: error.nextSteps.join(', ') },
    ];
  }
  try {
    const rights = await Promise.all(processesOf(options).map((process) => access(api, process, options)));
    return [
      { check: 'api server', result: 'ok', message: `${api.address} answers` },
      ...rights.flat(),
      ...(await definitions(api)),
      await webhooks(api, options),
      await others(api, options),
    ];
  } catch (error: unknown) {
    return [unreachable(api, error)];
  }
}

function unreachable(api: ApiServer, error: unknown): Finding {
  const refused = isError(error) && error.code === 401;
  return {
    check: 'api server',
    result: 'problem',
    message: `${api.address}: ${messageOf(error)}`,
    cure: refused
      ? 'log in again, or name another kubeconfig or context: --kubeconfig PATH --context NAME'
      : 'see whether kubectl get --raw /readyz reaches it with the same kubeconfig and context',
  };
}

function processesOf({ for: role = 'serve' }: ClusterDoctorOptions): Process[] {
  return role === 'serve' ? ['bridge', 'worker'] : [role];
}

// ---- Rights ------------------------------------------------------------------------------------------------------------------------

/** One verb on one resource in one place. */
interface Question {
  permission: Permission;
  verb: string;
  /** Left out: in all namespaces. */
  namespace?: string;
}

async function access(api: ApiServer, process: Process, options: ClusterDoctorOptions): Promise<Finding[]> {
  const questions = PERMISSIONS[process].flatMap((permission) => questionsOf(permission, options));
  const missing: Question[] = [];
  await inParallel(questions, async (question) => {
    if (!(await isAllowed(api, question))) missing.push(question);
  });
  const check = `rights of the ${process}`;
  if (missing.length === 0)
    return [{ check, result: 'ok', message: `all ${questions.length} that it needs` }];
  return questions
    .filter((question) => missing.includes(question))
    .map((question) => ({
      check,
      result: 'problem',
      message: `cannot ${question.verb} ${placeOf(question)} (${question.permission.reason})`,
      cure: `add it to ${roleOf(process, question, options)}`,
    }));
}

function questionsOf(permission: Permission, options: ClusterDoctorOptions): Question[] {
  const { namespaced } = resourceOf(permission);
  const watched: (string | undefined)[] = watchedNamespaces(options) ?? [undefined];
  const namespaces =
    permission.where === 'lease' ? [leaseNamespace(options)] : namespaced ? watched : [undefined];
  return namespaces.flatMap((namespace) =>
    permission.verbs.map((verb) => ({ permission, verb, ...(namespace !== undefined && { namespace }) })),
  );
}

function leaseNamespace({ leaseNamespace }: ClusterDoctorOptions): string {
  return leaseNamespace ?? lazy.kubernetes().inClusterNamespace() ?? 'default';
}

function resourceOf({ resource }: Permission): Resource {
  return lazy.kubernetes().RESOURCES[resource];
}

/** Asks the API server (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access); anybody may. */
async function isAllowed(api: ApiServer, { permission, verb, namespace = '' }: Question): Promise<boolean> {
  const { group, version, plural: resource } = resourceOf(permission);
  const { subresource = '' } = permission;
  const name = verb === 'create' ? '' : (permission.name ?? '');
  const resourceAttributes = { group, version, resource, subresource, verb, namespace, name };
  const review = { metadata: { name: '' }, spec: { resourceAttributes } };
  const { status } = await api.create(lazy.kubernetes().RESOURCES.selfSubjectAccessReviews, review);
  return (status as { allowed?: boolean } | undefined)?.allowed === true;
}

function placeOf({ permission, namespace }: Question): string {
  const { plural, group } = resourceOf(permission);
  const resource = permission.subresource === undefined ? plural : `${plural}/${permission.subresource}`;
  return `${resource} in ${group}${namespace === undefined ? '' : `, namespace ${namespace}`}`;
}

function roleOf(
  process: Process,
  { permission, namespace }: Question,
  options: ClusterDoctorOptions,
): string {
  if (permission.where === 'lease') return `Role ${ROLE[process]} in namespace ${leaseNamespace(options)}`;
  const bound = namespace === undefined ? '' : `, and bind that in namespace ${namespace}`;
  return `ClusterRole ${ROLE[process]}${bound}`;
}

// ---- CustomResourceDefinitions -----------------------------------------------------------------------------------------------------

function definitions(api: ApiServer): Promise<Finding[]> {
  const { virtualMachineGroups, virtualMachines, virtualMachineClasses, sequencePolicies } =
    lazy.kubernetes().RESOURCES;
  const wanted: Resource[] = [virtualMachineGroups, virtualMachines, virtualMachineClasses, sequencePolicies];
  return Promise.all(wanted.map((resource) => definition(api, resource)));
}

async function definition(api: ApiServer, resource: Resource): Promise<Finding> {
  const check = `crd ${resource.plural}`;
  const name = `${resource.plural}.${resource.group}`;
  try {
    const found = await api.get(lazy.kubernetes().RESOURCES.customResourceDefinitions, { name });
    return { check, ...(found ? judgeDefinition(found, resource) : notInstalled(resource)) };
  } catch (error: unknown) {
    if (!isError(error) || !error.isForbidden) throw error;
    return { check, ...(await fromOutside(api, resource)) };
  }
}

/** For a user who may not read the definition itself. */
async function fromOutside(api: ApiServer, resource: Resource): Promise<Judgement> {
  const unseen = 'its schema and stored version are seen by a user who may get customresourcedefinitions';
  try {
    await api.list(resource, { limit: 1 });
    return { result: 'note', message: `served in ${resource.version}; ${unseen}` };
  } catch (error: unknown) {
    if (!isError(error)) throw error;
    if (error.isNotFound) return notInstalled(resource);
    return { result: 'note', message: `not known: ${messageOf(error)}; ${unseen}` };
  }
}

// ---- Admission ---------------------------------------------------------------------------------------------------------------------

interface Webhook {
  clientConfig?: { caBundle?: string };
  rules?: { apiGroups?: string[]; resources?: string[] }[];
}

const ADMISSION = 'admission';
const HOW_TO_INSTALL = 'docs/how-to/install-on-kubernetes.md says how to install them';

async function webhooks(api: ApiServer, options: ClusterDoctorOptions): Promise<Finding> {
  const { validatingWebhookConfigurations, mutatingWebhookConfigurations } = lazy.kubernetes().RESOURCES;
  try {
    const key = { name: WEBHOOKS };
    const validating = await api.get(validatingWebhookConfigurations, key);
    const mutating = await api.get(mutatingWebhookConfigurations, key);
    if (!validating || !mutating) return noWebhooks(validating, mutating);
    const bare = [...webhooksOf(validating), ...webhooksOf(mutating)].some(
      ({ clientConfig }) => !clientConfig?.caBundle,
    );
    if (bare) {
      return {
        check: ADMISSION,
        result: 'problem',
        message: 'a webhook has no caBundle, so the API server does not trust it',
        cure: 'see whether cert-manager and its cainjector run, or put the authority that signed the certificate there',
      };
    }
    return await answering(api, watchedNamespaces(options)?.[0] ?? 'default');
  } catch (error: unknown) {
    if (!isError(error) || !error.isForbidden) throw error;
    const message =
      'not known: a user who may get validatingwebhookconfigurations and mutatingwebhookconfigurations sees it';
    return { check: ADMISSION, result: 'note', message };
  }
}

function noWebhooks(validating: unknown, mutating: unknown): Finding {
  const missing = [...(validating ? [] : ['validating']), ...(mutating ? [] : ['mutating'])];
  return {
    check: ADMISSION,
    result: 'note',
    message:
      `no ${missing.join(' and ')} webhook configuration ${WEBHOOKS}: a mistake in an object is not refused, but stands in its condition Ready ` +
      'and nothing is done with that group',
    cure: HOW_TO_INSTALL,
  };
}

/** Nothing is stored. The mutating webhook, which the same server answers, replaces the word `now`. */
async function answering(api: ApiServer, namespace: string): Promise<Finding> {
  const check = ADMISSION;
  const group = {
    metadata: { namespace, name: 'vmgroup-doctor-asks' },
    spec: { nextForcePowerStateSyncTime: 'now' },
  };
  try {
    const answer = await api.create(lazy.kubernetes().RESOURCES.virtualMachineGroups, group, {
      dryRun: true,
    });
    const { nextForcePowerStateSyncTime: time } = answer.spec as typeof group.spec;
    if (time !== 'now') return { check, result: 'ok', message: 'the webhooks are installed and answer' };
    return {
      check,
      result: 'problem',
      message: 'the webhooks are installed, and were not asked or did not answer',
      cure: 'see whether pods are ready behind the Service vmgroup-webhook: kubectl get endpointslices -n vmgroup-system',
    };
  } catch (error: unknown) {
    if (!isError(error)) throw error;
    if (error.isForbidden) {
      const message = 'the webhooks are installed; whether they answer, a user who may create groups sees';
      return { check, result: 'note', message };
    }
    return {
      check,
      result: 'problem',
      message: `the webhooks do not answer: ${messageOf(error)}`,
      cure: 'see whether pods are ready behind the Service vmgroup-webhook, and whether the certificate names that Service',
    };
  }
}

function webhooksOf(configuration: KubernetesObject): Webhook[] {
  return (configuration as unknown as { webhooks?: Webhook[] }).webhooks ?? [];
}

// ---- Who else acts on groups -------------------------------------------------------------------------------------------------------

const OTHERS = 'other controllers';
const BESIDE = 'docs/how-to/beside-vm-operator.md says how to have one of them act';
const GONE =
  'if that controller has gone since: the next write of the bridge settles it, such as after a restart of the bridge (kubectl -n vmgroup-system rollout restart deployment/vmgroup-bridge)';

async function others(api: ApiServer, options: ClusterDoctorOptions): Promise<Finding> {
  const check = OTHERS;
  let groups: KubernetesObject[];
  try {
    groups = await someGroups(api, watchedNamespaces(options));
  } catch (error: unknown) {
    if (!isError(error) || !(error.isForbidden || error.isNotFound)) throw error;
    return { check, result: 'note', message: `not known: ${messageOf(error)}` };
  }
  const { otherController } = lazy.bridge();
  const seen = groups.flatMap((group) => {
    const other = otherController(group);
    return other ? [{ group, ...other }] : [];
  });
  const acting = seen.filter(({ active }) => active);
  const [first] = acting;
  if (first) {
    const { namespace, name } = first.group.metadata;
    return {
      check,
      result: 'problem',
      message: `${first.manager} writes the status of ${count(acting.length)} too, such as ${namespace}/${name} at ${new Date(first.at).toISOString()}: two controllers power the same VMs`,
      cure: `${BESIDE}; ${GONE}`,
      facts: {
        groups: acting.map(({ group: { metadata }, manager, at }) => ({
          namespace: metadata.namespace,
          name: metadata.name,
          manager,
          at: new Date(at).toISOString(),
        })),
      },
    };
  }
  const foreign = await foreignWebhook(api);
  if (foreign !== undefined) {
    const message = `webhook configuration ${foreign} checks groups: VM Operator has its group feature on, so its group controller acts too, unless it was taken out of the build or stopped`;
    return { check, result: 'note', message, cure: BESIDE };
  }
  if (groups.length === 0) return { check, result: 'ok', message: 'no sign of any; there are no groups yet' };
  const [past] = seen;
  const wrote = past ? `; ${past.manager} wrote last at ${new Date(past.at).toISOString()}, before us` : '';
  return { check, result: 'ok', message: `none writes the status of ${count(groups.length)}${wrote}` };
}

async function someGroups(api: ApiServer, namespaces: string[] | undefined): Promise<KubernetesObject[]> {
  const { virtualMachineGroups } = lazy.kubernetes().RESOURCES;
  const limit = MOST_GROUPS;
  const lists = await Promise.all(
    (namespaces ?? [undefined]).map((namespace) =>
      api.list(virtualMachineGroups, { limit, ...(namespace !== undefined && { namespace }) }),
    ),
  );
  return lists.flatMap(({ items }) => items);
}

/** Where VM Operator's group feature is off, its webhooks for groups are not installed. Undefined also where that is not to be seen. */
async function foreignWebhook(api: ApiServer): Promise<string | undefined> {
  try {
    const { items } = await api.list(lazy.kubernetes().RESOURCES.validatingWebhookConfigurations);
    return items.find(
      (each) =>
        each.metadata.name !== WEBHOOKS &&
        webhooksOf(each).some(({ rules = [] }) =>
          rules.some(
            ({ apiGroups, resources }) =>
              apiGroups?.includes('vmoperator.vmware.com') && resources?.includes('virtualmachinegroups'),
          ),
        ),
    )?.metadata.name;
  } catch (error: unknown) {
    if (isError(error) && error.isForbidden) return undefined;
    throw error;
  }
}

function count(groups: number): string {
  return groups === 1 ? '1 group' : `${groups} groups`;
}

function isError(error: unknown): error is KubernetesError {
  return error instanceof lazy.kubernetes().KubernetesError;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
