/** The resources that are read or written, each in the version that is used. */

/** One kind of resource on the API server. */
export interface Resource {
  /** API group; empty for the core group. */
  group: string;
  version: string;
  /** Versions that are used on a server without `version`, the newest first: all that is read and written is the same in them. */
  olderVersions?: readonly string[];
  plural: string;
  kind: string;
  namespaced: boolean;
}

/** The first version, v1alpha1, has no groups and another spelling of power states. */
const VM_OPERATOR = {
  group: 'vmoperator.vmware.com',
  version: 'v1alpha6',
  olderVersions: ['v1alpha5', 'v1alpha4', 'v1alpha3', 'v1alpha2'],
  namespaced: true,
};
const KUBEVIRT = { group: 'kubevirt.io', version: 'v1', namespaced: true };
const KUBEVIRT_ACTIONS = { ...KUBEVIRT, group: 'subresources.kubevirt.io' };
const TOPOLOGY = { group: 'topology.tanzu.vmware.com', version: 'v1alpha1' };

/** Every resource that the product touches. Zones: see "Where zones and capacity are on a vSphere Supervisor" in the reference. */
export const RESOURCES = {
  virtualMachineGroups: { ...VM_OPERATOR, plural: 'virtualmachinegroups', kind: 'VirtualMachineGroup' },
  virtualMachines: { ...VM_OPERATOR, plural: 'virtualmachines', kind: 'VirtualMachine' },
  virtualMachineClasses: { ...VM_OPERATOR, plural: 'virtualmachineclasses', kind: 'VirtualMachineClass' },
  kubevirtMachines: { ...KUBEVIRT, plural: 'virtualmachines', kind: 'VirtualMachine' },
  kubevirtInstances: { ...KUBEVIRT, plural: 'virtualmachineinstances', kind: 'VirtualMachineInstance' },
  /** KubeVirt serves actions on its VMs under a group of their own. */
  kubevirtMachineActions: { ...KUBEVIRT_ACTIONS, plural: 'virtualmachines', kind: 'VirtualMachine' },
  kubevirtInstanceActions: {
    ...KUBEVIRT_ACTIONS,
    plural: 'virtualmachineinstances',
    kind: 'VirtualMachineInstance',
  },
  nodes: { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false },
  sequencePolicies: {
    group: 'vmgroup.dev',
    version: 'v1alpha1',
    plural: 'sequencepolicies',
    kind: 'SequencePolicy',
    namespaced: true,
  },
  operatorCommands: {
    group: 'vmgroup.dev',
    version: 'v1alpha1',
    plural: 'operatorcommands',
    kind: 'OperatorCommand',
    namespaced: true,
  },
  zones: { ...TOPOLOGY, plural: 'zones', kind: 'Zone', namespaced: true },
  availabilityZones: {
    ...TOPOLOGY,
    plural: 'availabilityzones',
    kind: 'AvailabilityZone',
    namespaced: false,
  },
  leases: {
    group: 'coordination.k8s.io',
    version: 'v1',
    plural: 'leases',
    kind: 'Lease',
    namespaced: true,
  },
  events: { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true },
  customResourceDefinitions: {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    namespaced: false,
  },
  mutatingWebhookConfigurations: {
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'mutatingwebhookconfigurations',
    kind: 'MutatingWebhookConfiguration',
    namespaced: false,
  },
  validatingWebhookConfigurations: {
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'validatingwebhookconfigurations',
    kind: 'ValidatingWebhookConfiguration',
    namespaced: false,
  },
  subjectAccessReviews: {
    group: 'authorization.k8s.io',
    version: 'v1',
    plural: 'subjectaccessreviews',
    kind: 'SubjectAccessReview',
    namespaced: false,
  },
  selfSubjectAccessReviews: {
    group: 'authorization.k8s.io',
    version: 'v1',
    plural: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    namespaced: false,
  },
} as const satisfies Record<string, Resource>;

/** `group/version`, or the version alone for the core group. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Path of a resource or of one object of it. */
export function pathOf(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${apiVersionOf(resource)}`;
  const steps = [
    ...(resource.namespaced && namespace !== undefined ? ['namespaces', namespace] : []),
    resource.plural,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return [root, ...steps.map(encoded)].join('/');
}

/** For a part of a path. Half a surrogate pair, which has no encoding, is replaced: no object has such a name. */
function encoded(step: string): string {
  return encodeURIComponent(Buffer.from(step).toString());
}
