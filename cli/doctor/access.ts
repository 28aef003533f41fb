/** Checks of the permissions of a process, by asking the API server about each of them. */
import pMap from 'p-map';
import type { ApiServer, Resource } from '../../kubernetes';
import * as lazy from '../lazy';
import { watchedNamespaces } from '../options';
import type { CheckResult } from './check-result';
import type { ClusterDoctorOptions } from './options';
import {
  COMPANION_PERMISSIONS,
  PERMISSIONS,
  ROLE,
  type ClusterProcess,
  type LosablePermission,
  type Permission,
  type Verb,
} from './permissions';

/** Questions that are open at the same time. */
const CONCURRENCY = 8;

/** One verb on one resource in one place. */
interface AccessQuestion {
  permission: Permission;
  verb: Verb;
  /** Absent: all namespaces. */
  namespace?: string;
}

/** Checks whether the person who runs doctor has every permission that a process needs. */
export async function checkAccess(
  api: ApiServer,
  process: ClusterProcess,
  options: ClusterDoctorOptions,
): Promise<CheckResult[]> {
  const check = `rights of the ${process}`;
  const questions = PERMISSIONS[process].flatMap((permission) => questionsOf(permission, options));
  const allowed = await pMap(questions, (question) => isAllowed(api, question), {
    concurrency: CONCURRENCY,
  });
  const missing = questions.filter((_question, index) => !allowed[index]);
  if (missing.length === 0)
    return [{ check, result: 'ok', message: `all ${questions.length} that it needs` }];
  return missing.map((question) => missingRight(check, process, question, options));
}

/** The same for a process that runs alongside VM Operator's group controller. */
export function checkCompanionAccess(api: ApiServer, options: ClusterDoctorOptions): Promise<CheckResult[]> {
  return checkRights(api, 'rights beside VM Operator', COMPANION_PERMISSIONS, options);
}

/** Checks permissions one by one. One that only something small needs is a note. */
export async function checkRights(
  api: ApiServer,
  check: string,
  permissions: readonly LosablePermission[],
  options: ClusterDoctorOptions,
): Promise<CheckResult[]> {
  const results = await pMap(permissions, async (permission): Promise<CheckResult[]> => {
    const questions = questionsOf(permission, options);
    const allowed = await pMap(questions, (question) => isAllowed(api, question), {
      concurrency: CONCURRENCY,
    });
    const missing = questions.filter((_question, index) => !allowed[index]);
    const [first] = missing;
    if (!first) return [];
    const { group, namespaced } = resourceOf(permission);
    const resource = resourceText(permission);
    const verbs = [...new Set(missing.map(({ verb }) => verb))];
    const place = !namespaced
      ? 'the cluster'
      : first.namespace === undefined
        ? 'all namespaces'
        : `namespace ${first.namespace}`;
    const { lost } = permission;
    return [
      {
        check,
        result: lost === undefined ? 'problem' : 'note',
        message: `cannot ${verbs.join(', ')} ${resource} in ${group || 'core'}, ${place} (${permission.reason})${lost === undefined ? '' : `: ${lost}`}`,
        cure: namespaced
          ? first.namespace === undefined
            ? WHERE
            : `add it to a Role, and bind that in ${place}`
          : 'add it to a ClusterRole, and bind that',
        facts: { verbs, resource, group, ...(first.namespace && { namespace: first.namespace }) },
      },
    ];
  });
  const missing = results.flat();
  return missing.length > 0 ? missing : [{ check, result: 'ok', message: 'all that it needs' }];
}

const WHERE = 'name the namespaces in which you have rights: --watch-namespaces NAMES';

function questionsOf(permission: Permission, options: ClusterDoctorOptions): AccessQuestion[] {
  const { namespaced } = resourceOf(permission);
  const watched: (string | undefined)[] = watchedNamespaces(options) ?? [undefined];
  const namespaces =
    permission.where === 'lease' ? [leaseNamespace(options)] : namespaced ? watched : [undefined];
  return namespaces.flatMap((namespace) =>
    permission.verbs.map((verb) => ({ permission, verb, ...(namespace !== undefined && { namespace }) })),
  );
}

function missingRight(
  check: string,
  process: ClusterProcess,
  { permission, verb, namespace }: AccessQuestion,
  options: ClusterDoctorOptions,
): CheckResult {
  const { group } = resourceOf(permission);
  const resource = resourceText(permission);
  const place = namespace === undefined ? '' : `, namespace ${namespace}`;
  const role = roleText(process, permission, namespace, options);
  return {
    check,
    result: 'problem',
    message: `cannot ${verb} ${resource} in ${group}${place} (${permission.reason})`,
    cure: `add it to ${role}`,
    facts: { verb, resource, group, ...(namespace !== undefined && { namespace }) },
  };
}

function roleText(
  process: ClusterProcess,
  { where }: Permission,
  namespace: string | undefined,
  options: ClusterDoctorOptions,
): string {
  if (where === 'lease') return `Role ${ROLE[process]} in namespace ${leaseNamespace(options)}`;
  const bound = namespace === undefined ? '' : `, and bind that in namespace ${namespace}`;
  return `ClusterRole ${ROLE[process]}${bound}`;
}

function leaseNamespace({ leaseNamespace: named }: ClusterDoctorOptions): string {
  return named ?? lazy.kubernetes().inClusterNamespace() ?? 'default';
}

/** As RBAC has it. */
function resourceText(permission: Permission): string {
  const { plural } = resourceOf(permission);
  return permission.subresource === undefined ? plural : `${plural}/${permission.subresource}`;
}

function resourceOf({ resource }: Permission): Resource {
  return lazy.kubernetes().RESOURCES[resource];
}

/** Asks the API server (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access), which every user may. */
async function isAllowed(
  api: ApiServer,
  { permission, verb, namespace = '' }: AccessQuestion,
): Promise<boolean> {
  const { group, version, plural: resource } = resourceOf(permission);
  const { subresource = '' } = permission;
  const name = verb === 'create' ? '' : (permission.name ?? '');
  const resourceAttributes = { group, version, resource, subresource, verb, namespace, name };
  const review = { metadata: { name: '' }, spec: { resourceAttributes } };
  const { status } = await api.create(lazy.kubernetes().RESOURCES.selfSubjectAccessReviews, review);
  return (status as { allowed?: boolean } | undefined)?.allowed === true;
}
