/** Writes manifests for tests. */
import { stringify } from 'yaml';
import type { SimulatedInventory } from '../../api';

export interface GroupShape {
  namespace: string;
  name: string;
  powerState?: string;
  groupName?: string;
  /** Names of VMs, or `group:NAME`. */
  tiers: { members: string[]; delay?: string; powerOnDelay?: string; powerOffDelay?: string }[];
  annotations?: Record<string, string>;
  more?: Record<string, unknown>;
}

/** The manifest of a group. */
export function groupManifest(shape: GroupShape): string {
  const { namespace, name, powerState, groupName, tiers, annotations, more } = shape;
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachineGroup',
    metadata: { name, namespace, ...(annotations && { annotations }) },
    spec: {
      ...(groupName && { groupName }),
      ...(powerState && { powerState }),
      bootOrder: tiers.map(({ members, ...delays }) => ({
        members: members.map((member) =>
          member.startsWith('group:')
            ? { name: member.slice(6), kind: 'VirtualMachineGroup' }
            : { name: member },
        ),
        ...delays,
      })),
      ...more,
    },
  });
}

/** The manifest of a VM. */
export function vmManifest(
  namespace: string,
  name: string,
  groupName: string,
  more: Record<string, unknown> = {},
): string {
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachine',
    metadata: { name, namespace },
    spec: { groupName, ...more },
  });
}

/** The manifest of a web server that shares no zone with another one. */
export function webServerManifest(
  namespace: string,
  name: string,
  groupName: string,
  more: Record<string, unknown> = {},
): string {
  const labelSelector = [{ matchLabels: { app: 'web' } }];
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachine',
    metadata: { name, namespace, labels: { app: 'web', team: 'blue' } },
    spec: {
      groupName,
      affinity: { zoneAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { labelSelector } } },
      ...more,
    },
  });
}

/** A group with all its VMs, as one file. */
export function groupWithVms(shape: GroupShape): string {
  const names = shape.tiers
    .flatMap(({ members }) => members)
    .filter((member) => !member.startsWith('group:'));
  return [groupManifest(shape), ...names.map((name) => vmManifest(shape.namespace, name, shape.name))].join(
    '---\n',
  );
}

/** The manifest of a class: what its VMs ask of a host. */
export function classManifest(
  namespace: string,
  name: string,
  hardware: { cpus: number; memory: string },
): string {
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachineClass',
    metadata: { name, namespace },
    spec: { hardware },
  });
}

/** A policy. */
export function policyManifest(namespace: string, name: string, spec: Record<string, unknown>): string {
  return stringify({
    apiVersion: 'vmgroup.dev/v1alpha1',
    kind: 'SequencePolicy',
    metadata: { name, namespace },
    spec,
  });
}

/** A platform. */
export function platformManifest(name: string, spec: object): string {
  return stringify({ apiVersion: 'vmgroup.dev/v1alpha1', kind: 'Platform', metadata: { name }, spec });
}

/** How the simulated platform behaves in a test; times in milliseconds. */
export type Behavior = Partial<SimulatedInventory['behavior']>;
