/**
 * How doctor judges CustomResourceDefinitions.
 *
 * Guarantees: G8.
 */
import { crds } from '../../../api';
import { judgeDefinition } from '../../../cli/doctor/judge-definition';
import { RESOURCES, type KubernetesObject, type Resource } from '../../../kubernetes';
import {
  OUR_STATUS_FIELDS,
  vmOperatorGroups,
  vmOperatorGroupsWithoutDelays,
  vmOperatorMachines,
} from '../../support/vm-operator-definitions';

const { virtualMachineGroups, virtualMachines } = RESOURCES;
const judge = (definition: unknown, resource: Resource) =>
  judgeDefinition(definition as KubernetesObject, resource);
const ours = ({ plural }: Resource) => crds().find(({ spec }) => spec.names.plural === plural);
const paths = (fields: unknown) => (fields as { path: string }[]).map(({ path }) => path);

test.each([virtualMachineGroups, virtualMachines])('ours have every field: $plural', (resource) => {
  const { result, facts } = judge(ours(resource), resource);
  expect({ result, facts }).toMatchObject({ result: 'ok', facts: { unwritten: [], refused: [] } });
});

test('groups: the status fields that the bridge omits', () => {
  const { result, message, facts } = judge(vmOperatorGroups(), virtualMachineGroups);
  expect(result).toBe('note');
  expect(paths(facts?.['unwritten'])).toEqual(OUR_STATUS_FIELDS.map((field) => `status.${field}`));
  expect(paths(facts?.['refused'])).toEqual([]);
  expect(message).toContain('so the bridge omits that from the status');
});

test('groups: the delays that manifests cannot have, and what to write instead', () => {
  const { message, facts } = judge(vmOperatorGroupsWithoutDelays(), virtualMachineGroups);
  expect(paths(facts?.['refused'])).toEqual(['spec.bootOrder[].delay', 'spec.bootOrder[].powerOffDelay']);
  expect(message).toContain(
    'manifests cannot have spec.bootOrder[].delay (write it as powerOnDelay of the next boot group), ' +
      'spec.bootOrder[].powerOffDelay (VM Operator serves it in v1alpha6 with its capability TelcoVMServiceAPI',
  );
  expect(message).toContain('kubectl refuses them, and clients without strict validation lose these fields');
});

test('VMs: the documented spelling of affinity', () => {
  const { result, message, facts } = judge(vmOperatorMachines(), virtualMachines);
  expect(result).toBe('note');
  expect(paths(facts?.['refused'])).toEqual([
    'spec.affinity.vmAffinity.requiredDuringSchedulingIgnoredDuringExecution',
    'spec.affinity.vmAffinity.preferredDuringSchedulingIgnoredDuringExecution',
    'spec.affinity.vmAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution',
    'spec.affinity.vmAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution',
    'spec.affinity.zoneAffinity',
    'spec.affinity.zoneAntiAffinity',
  ]);
  expect(message).toContain(
    'spec.affinity.zoneAntiAffinity (write it as vmAntiAffinity with topologyKey topology.kubernetes.io/zone)',
  );
});
