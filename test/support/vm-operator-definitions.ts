/** The CustomResourceDefinitions of VM Operator, where they differ from ours in what matters to us. */
import { stringify } from 'yaml';
import { crds } from '../../api';

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  [key: string]: unknown;
}

type Definition = ReturnType<typeof crds>[number];

/** Fields of a group's status that are ours alone. */
export const OUR_STATUS_FIELDS = ['phase', 'message', 'readyMembers', 'observedGeneration', 'run'];

/** Our definition of a resource, with each version's schema changed. */
function definition(plural: string, change: (schema: Schema) => void): Definition {
  const found = crds().find(({ spec }) => spec.names.plural === plural);
  if (!found) throw new Error(`no definition of ${plural}`);
  for (const { schema } of found.spec.versions) change(schema.openAPIV3Schema);
  return found;
}

/** That of groups, without the status fields that VM Operator's does not have. */
export function vmOperatorGroups(): Definition {
  return definition('virtualmachinegroups', ({ properties }) => {
    const status = properties?.['status'];
    delete status?.['x-kubernetes-preserve-unknown-fields'];
    for (const field of OUR_STATUS_FIELDS) delete status?.properties?.[field];
  });
}

/** The same, without `delay`, and without `powerOffDelay` as with the capability TelcoVMServiceAPI off. */
export function vmOperatorGroupsWithoutDelays(): Definition {
  const groups = vmOperatorGroups();
  for (const { schema } of groups.spec.versions) {
    const tier = (schema.openAPIV3Schema as Schema).properties?.['spec']?.properties?.['bootOrder']?.items;
    delete tier?.properties?.['delay'];
    delete tier?.properties?.['powerOffDelay'];
  }
  return groups;
}

/** That of VMs, with the shipped spelling of affinity alone. */
export function vmOperatorMachines(): Definition {
  return definition('virtualmachines', ({ properties }) => {
    const rules = {
      type: 'object',
      properties: Object.fromEntries(
        ['required', 'preferred'].map((strength) => [
          `${strength}DuringSchedulingPreferredDuringExecution`,
          { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        ]),
      ),
    };
    const spec = properties?.['spec']?.properties ?? {};
    spec['affinity'] = { type: 'object', properties: { vmAffinity: rules, vmAntiAffinity: rules } };
    for (const part of [properties?.['spec'], properties?.['status']])
      delete part?.['x-kubernetes-preserve-unknown-fields'];
  });
}

/** A definition as `kubectl apply` reads it. */
export function asYaml(value: Definition): string {
  return stringify(value);
}
