/** Small definitions of the resources of KubeVirt that the stand-in serves: KubeVirt's own are some hundred kilobytes each. */
import { RESOURCES, type KubernetesObject } from '../../kubernetes';

const ANY = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** The definitions. Instances have no subresource `status`, as in KubeVirt. */
export function kubevirtDefinitions(): KubernetesObject[] {
  return [
    definition(RESOURCES.kubevirtMachines, ['vm', 'vms'], { subresources: { status: {} } }),
    definition(RESOURCES.kubevirtInstances, ['vmi', 'vmis'], {}),
  ];
}

function definition(
  { group, version, plural, kind }: (typeof RESOURCES)['kubevirtMachines' | 'kubevirtInstances'],
  shortNames: string[],
  more: object,
): KubernetesObject {
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: ANY, status: ANY } } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind, singular: kind.toLowerCase(), shortNames },
      versions: [{ name: version, served: true, storage: true, schema, ...more }],
    },
  };
}
