/** Checks of CustomResourceDefinitions. */
import type { ApiServer, Resource } from '../../kubernetes';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import type { CheckResult, Judgement } from './check-result';
import { judgeDefinition, notInstalled } from './judge-definition';
import { isKubernetesError } from './kubernetes-error';

const UNSEEN =
  'run doctor as a user who may get customresourcedefinitions to see its schema and stored version';

/** Checks the definitions of groups, VMs, classes and policies. */
export function checkDefinitions(api: ApiServer): Promise<CheckResult[]> {
  const { virtualMachineGroups, virtualMachines, virtualMachineClasses, sequencePolicies } =
    lazy.kubernetes().RESOURCES;
  const resources: Resource[] = [
    virtualMachineGroups,
    virtualMachines,
    virtualMachineClasses,
    sequencePolicies,
  ];
  return Promise.all(
    resources.map(async (resource) => ({
      check: `crd ${resource.plural}`,
      ...(await checkDefinition(api, resource)),
    })),
  );
}

async function checkDefinition(api: ApiServer, resource: Resource): Promise<Judgement> {
  const name = `${resource.plural}.${resource.group}`;
  try {
    const found = await api.get(lazy.kubernetes().RESOURCES.customResourceDefinitions, { name });
    return found ? judgeDefinition(found, resource) : notInstalled(resource);
  } catch (error: unknown) {
    if (!isKubernetesError(error) || !error.isForbidden) throw error;
    return checkServedVersion(api, resource);
  }
}

/** For a user who may not read the definition itself. */
async function checkServedVersion(api: ApiServer, resource: Resource): Promise<Judgement> {
  try {
    const { apiVersion } = await api.list(resource, { limit: 1 });
    return { result: 'note', message: `served in ${apiVersion}; ${UNSEEN}` };
  } catch (error: unknown) {
    if (!isKubernetesError(error)) throw error;
    if (error.isAbsent) return notInstalled(resource);
    return { result: 'note', message: `unknown: ${messageOf(error)}; ${UNSEEN}` };
  }
}
