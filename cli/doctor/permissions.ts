/**
 * What each process may do on the API server, and why: the one table behind the roles in `deploy/`, `vmgroup doctor` and the documentation.
 *
 * R1: every verb that a process calls is here, and no other.
 */
import type { RESOURCES } from '../../kubernetes';

/** A process with rights of its own. */
export type Process = 'bridge' | 'worker' | 'simulator';

/** Verbs on one resource, and what they are for. */
export interface Permission {
  resource: keyof typeof RESOURCES;
  subresource?: 'status';
  verbs: readonly Verb[];
  /** The one object of that name; a right to create cannot be limited so. */
  name?: string;
  /** `lease`: in the namespace of the Lease alone. Left out: in each namespace that is watched. */
  where?: 'lease';
  reason: string;
}

/** A verb of RBAC. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** Lists and follows a resource. */
const FOLLOW = ['list', 'watch'] as const;

/** Name of the ServiceAccount, the ClusterRole and the Role of a process. */
export const ROLE: Readonly<Record<Process, string>> = {
  bridge: 'vmgroup-bridge',
  worker: 'vmgroup-worker',
  simulator: 'vmgroup-simulator',
};

/** R1. */
export const PERMISSIONS: Readonly<Record<Process, readonly Permission[]>> = {
  bridge: [
    { resource: 'virtualMachineGroups', verbs: FOLLOW, reason: 'read what is wanted' },
    {
      resource: 'virtualMachineGroups',
      verbs: ['patch'],
      reason: 'finalizer, owner references of nested groups, and the power state that they inherit',
    },
    {
      resource: 'virtualMachineGroups',
      subresource: 'status',
      verbs: ['patch'],
      reason: 'write status by server-side apply',
    },
    { resource: 'virtualMachines', verbs: FOLLOW, reason: 'read members and what was observed of them' },
    { resource: 'virtualMachines', verbs: ['patch'], reason: 'owner references of members' },
    { resource: 'virtualMachineClasses', verbs: FOLLOW, reason: 'CPU and memory that a VM is placed by' },
    { resource: 'sequencePolicies', verbs: FOLLOW, reason: 'read the policies that groups name' },
    { resource: 'events', verbs: ['create', 'patch'], reason: 'tell of transitions, and count repetitions' },
    {
      resource: 'leases',
      verbs: ['get', 'create', 'update'],
      name: 'vmgroup-bridge',
      where: 'lease',
      reason: 'let one of several bridges write',
    },
  ],
  worker: [
    { resource: 'virtualMachines', verbs: FOLLOW, reason: 'see the effect of a power operation' },
    {
      resource: 'virtualMachines',
      verbs: ['get'],
      reason: 'read one anew where the watch may be behind',
    },
    { resource: 'virtualMachines', verbs: ['patch'], reason: 'write the power state, and what was asked' },
    { resource: 'virtualMachineClasses', verbs: ['list'], reason: 'CPU and memory that a VM is placed by' },
    { resource: 'zones', verbs: ['list'], reason: 'zones that a namespace may use, and their room' },
    { resource: 'availabilityZones', verbs: ['list'], reason: 'zones of older set-ups' },
    { resource: 'events', verbs: FOLLOW, reason: 'the cause of a failed power operation stands there' },
    {
      resource: 'leases',
      verbs: ['get', 'create', 'update'],
      name: 'vmgroup-placement',
      reason: 'let one of several workers place VMs in a namespace at a time',
    },
  ],
  simulator: [
    { resource: 'virtualMachines', verbs: FOLLOW, reason: 'read what is wanted of each VM' },
    {
      resource: 'virtualMachines',
      verbs: ['get'],
      reason: 'make sure that a VM is gone before it is destroyed',
    },
    {
      resource: 'virtualMachines',
      verbs: ['patch'],
      reason: 'finalizer, and annotations that were dealt with',
    },
    {
      resource: 'virtualMachines',
      subresource: 'status',
      verbs: ['patch'],
      reason: 'write status as VM Operator does',
    },
    { resource: 'virtualMachineGroups', verbs: FOLLOW, reason: 'placement and links in their status' },
    { resource: 'virtualMachineClasses', verbs: FOLLOW, reason: 'CPU and memory of a VM' },
    { resource: 'zones', verbs: FOLLOW, reason: 'see which are there' },
    {
      resource: 'zones',
      verbs: ['create', 'patch', 'delete'],
      reason: 'show the zones of the simulated platform',
    },
    { resource: 'events', verbs: ['create', 'patch'], reason: 'tell why a VM does not power on' },
  ],
};
