/** The CustomResourceDefinitions of groups as VM Operator ships them, where that makes a difference to us. */
import { stringify } from 'yaml';
import { crds } from '../../api';

interface Schema {
  properties?: Record<string, Schema>;
  [key: string]: unknown;
}

/** Fields of a group's status that are ours alone. */
export const OUR_STATUS_FIELDS = ['phase', 'message', 'readyMembers', 'observedGeneration', 'run'];

/** The definition of groups as YAML, without the status fields that VM Operator's does not have. */
export function vmOperatorGroups(): string {
  const definition = crds().find(({ spec }) => spec.names.plural === 'virtualmachinegroups');
  for (const { schema } of definition?.spec.versions ?? []) {
    const status = (schema.openAPIV3Schema as Schema).properties?.['status'];
    delete status?.['x-kubernetes-preserve-unknown-fields'];
    for (const field of OUR_STATUS_FIELDS) delete status?.properties?.[field];
  }
  return stringify(definition);
}
