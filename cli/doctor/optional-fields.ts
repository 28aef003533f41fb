/** Fields of our resources that other CustomResourceDefinitions may lack. */

/** A field that definitions other than ours may lack. */
export interface OptionalField {
  resource: string;
  /** `[]` stands for the items of a list. */
  path: readonly string[];
  /** What to write instead, or what is lost without it. */
  remark?: string;
}

/** Fields of the status that VM Operator's own definitions lack: the bridge omits them. */
export const STATUS_FIELDS: readonly OptionalField[] = [
  ...['phase', 'message', 'readyMembers', 'observedGeneration'].map((field) => ({
    resource: 'virtualmachinegroups',
    path: ['status', field],
  })),
  {
    resource: 'virtualmachinegroups',
    path: ['status', 'run'],
    remark: 'a bridge that starts does not know the outcome of runs that Temporal has forgotten',
  },
];

const POWER_OFF_DELAY =
  'VM Operator serves it in v1alpha6 with its capability TelcoVMServiceAPI; without it all VMs are powered off at once';
const LIST_OF_TERMS =
  'is a list of terms with one labelSelector each there, under requiredDuringSchedulingPreferredDuringExecution and preferredDuringSchedulingPreferredDuringExecution';

/** Fields of manifests that the documentation has and VM Operator's own definitions may lack. */
export const MANIFEST_FIELDS: readonly OptionalField[] = [
  {
    resource: 'virtualmachinegroups',
    path: ['spec', 'bootOrder', '[]', 'delay'],
    remark: 'write it as powerOnDelay of the next boot group',
  },
  {
    resource: 'virtualmachinegroups',
    path: ['spec', 'bootOrder', '[]', 'powerOffDelay'],
    remark: POWER_OFF_DELAY,
  },
  { resource: 'virtualmachines', path: ['spec', 'groupName'], remark: 'without it no VM can be in a group' },
  ...['vmAffinity', 'vmAntiAffinity'].flatMap((effect) =>
    ['required', 'preferred'].map((strength) => ({
      resource: 'virtualmachines',
      path: ['spec', 'affinity', effect, `${strength}DuringSchedulingIgnoredDuringExecution`],
      remark: `it ${LIST_OF_TERMS}`,
    })),
  ),
  ...['zoneAffinity', 'zoneAntiAffinity'].map((effect) => ({
    resource: 'virtualmachines',
    path: ['spec', 'affinity', effect],
    remark: `write it as ${effect.replace('zone', 'vm')} with topologyKey topology.kubernetes.io/zone`,
  })),
];
