/**
 * What each process may do on the API server, and why: the one table behind the roles in `deploy/`, `vmgroup doctor` and the documentation.
 *
 * PERMISSIONS-1: every verb that a process calls is here, and no other.
 */
import type { RESOURCES } from '../../kubernetes';

/** A process with permissions of its own. */
export type ClusterProcess = 'bridge' | 'worker' | 'simulator';

/** Verbs on one resource, and their purpose. */
export interface Permission {
  resource: keyof typeof RESOURCES;
  /** Such as `status`. */
  subresource?: string;
  verbs: readonly Verb[];
  /** The verbs are limited to the object of this name, except `create`, which cannot be limited. */
  name?: string;
  /** `lease`: only in the namespace of the Lease. Absent: in each watched namespace. */
  where?: 'lease';
  reason: string;
}

/** A verb of RBAC. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** The verbs to watch a resource. */
const WATCH = ['list', 'watch'] as const;

/** Name of the ServiceAccount, the ClusterRole and the Role of a process. */
export const ROLE: Readonly<Record<ClusterProcess, string>> = {
  bridge: 'vmgroup-bridge',
  worker: 'vmgroup-worker',
  simulator: 'vmgroup-simulator',
};

/** PERMISSIONS-1. */
export const PERMISSIONS: Readonly<Record<ClusterProcess, readonly Permission[]>> = {
  bridge: [
    { resource: 'virtualMachineGroups', verbs: WATCH, reason: 'read desired state' },
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
    { resource: 'virtualMachines', verbs: WATCH, reason: 'read members and their observed state' },
    { resource: 'virtualMachines', verbs: ['patch'], reason: 'owner references of members' },
    { resource: 'virtualMachineClasses', verbs: WATCH, reason: 'CPU and memory for the placement of VMs' },
    { resource: 'sequencePolicies', verbs: WATCH, reason: 'read the policies that groups name' },
    { resource: 'operatorCommands', verbs: WATCH, reason: 'read operator commands' },
    { resource: 'operatorCommands', verbs: ['delete'], reason: 'remove operator commands that are done' },
    { resource: 'operatorCommands', subresource: 'status', verbs: ['patch'], reason: 'write the answers' },
    { resource: 'events', verbs: ['create', 'patch'], reason: 'report transitions, and count repetitions' },
    {
      resource: 'leases',
      verbs: ['get', 'create', 'update'],
      name: 'vmgroup-bridge',
      where: 'lease',
      reason: 'elect the one of several bridges that writes',
    },
  ],
  worker: [
    { resource: 'virtualMachines', verbs: WATCH, reason: 'see the effect of a power operation' },
    {
      resource: 'virtualMachines',
      verbs: ['get'],
      reason: 'read a VM again if the watch may be behind',
    },
    {
      resource: 'virtualMachines',
      verbs: ['patch'],
      reason: 'write the power state, and which operation asked for it',
    },
    { resource: 'virtualMachineClasses', verbs: ['list'], reason: 'CPU and memory for the placement of VMs' },
    { resource: 'zones', verbs: ['list'], reason: 'zones that a namespace may use, and their capacity' },
    { resource: 'availabilityZones', verbs: ['list'], reason: 'zones of older set-ups' },
    { resource: 'events', verbs: WATCH, reason: 'read the cause of a failed power operation' },
    {
      resource: 'leases',
      verbs: ['get', 'create', 'update'],
      name: 'vmgroup-placement',
      reason: 'let one of several workers place VMs in a namespace at a time',
    },
  ],
  simulator: [
    { resource: 'virtualMachines', verbs: WATCH, reason: 'read the desired state of each VM' },
    {
      resource: 'virtualMachines',
      verbs: ['get'],
      reason: 'make sure that a VM is gone before it is destroyed',
    },
    {
      resource: 'virtualMachines',
      verbs: ['patch'],
      reason: 'finalizer, and removal of handled annotations',
    },
    {
      resource: 'virtualMachines',
      subresource: 'status',
      verbs: ['patch'],
      reason: 'write status as VM Operator does',
    },
    { resource: 'virtualMachineGroups', verbs: WATCH, reason: 'placement and links in their status' },
    { resource: 'virtualMachineClasses', verbs: WATCH, reason: 'CPU and memory of a VM' },
    { resource: 'zones', verbs: WATCH, reason: 'read the existing zones' },
    {
      resource: 'zones',
      verbs: ['create', 'patch', 'delete'],
      reason: 'show the zones of the simulated platform',
    },
    { resource: 'events', verbs: ['create', 'patch'], reason: 'report why a VM does not power on' },
  ],
};

/** A permission that something may be lost without. */
export interface LosablePermission extends Permission {
  /** What is lost without it; absent: nothing works without it. */
  lost?: string;
}

/** The same for a process that runs alongside VM Operator's group controller, whether it is bridge, worker or both. */
export const COMPANION_PERMISSIONS: readonly LosablePermission[] = [
  {
    resource: 'virtualMachineGroups',
    verbs: ['get', 'list', 'watch', 'patch'],
    reason: 'read what annotations ask for, and write the report',
  },
  {
    resource: 'virtualMachines',
    verbs: ['get', 'list', 'watch', 'patch'],
    reason: 'see the effect of a power operation, and write the power state and which operation asked for it',
  },
  ...(
    [
      { verbs: WATCH, reason: 'read operator commands' },
      { subresource: 'status', verbs: ['patch'], reason: 'write their answers' },
      { verbs: ['delete'], reason: 'remove those that are done' },
    ] as const
  ).map((right): LosablePermission => ({
    resource: 'operatorCommands',
    ...right,
    lost: 'operator commands that are objects are not carried out; vmgroup can send them to Temporal',
  })),
  {
    resource: 'events',
    verbs: ['create', 'patch'],
    reason: 'report transitions, and count repetitions',
    lost: 'transitions are in the log only',
  },
  {
    resource: 'events',
    verbs: WATCH,
    reason: 'read the cause of a failed power operation',
    lost: 'causes of failed power operations are not known',
  },
  {
    resource: 'leases',
    verbs: ['get', 'create', 'update'],
    name: 'vmgroup-bridge',
    where: 'lease',
    reason: 'elect the one of several bridges that writes',
    lost: 'run only one process',
  },
];

/** The rights of a worker on a cluster with KubeVirt: those of `vmgroup-worker` in `deploy/kubevirt`. */
export const KUBEVIRT_PERMISSIONS: readonly LosablePermission[] = [
  {
    resource: 'kubevirtMachines',
    verbs: ['get', 'list', 'watch', 'patch'],
    reason: 'the run strategy, and the record of the operation',
  },
  {
    resource: 'kubevirtMachines',
    subresource: 'status',
    verbs: ['patch'],
    reason: 'remove requests to restart before a power-off',
    lost: 'a pending request to restart fails a power-off',
  },
  { resource: 'kubevirtInstances', verbs: WATCH, reason: 'the observed state' },
  {
    resource: 'kubevirtMachineActions',
    subresource: 'start',
    verbs: ['update'],
    reason: 'start VMs of runStrategy Manual and RerunOnFailure',
  },
  {
    resource: 'kubevirtMachineActions',
    subresource: 'stop',
    verbs: ['update'],
    reason: 'stop VMs of runStrategy Manual, and give guests their time',
  },
  ...(['pause', 'unpause'] as const).map((subresource): LosablePermission => ({
    resource: 'kubevirtInstanceActions',
    subresource,
    verbs: ['update'],
    reason: 'the power state Suspended',
    lost: 'VMs cannot be suspended, nor powered on after a user has paused them',
  })),
  {
    resource: 'nodes',
    verbs: WATCH,
    reason: 'zones and lost nodes',
    lost: 'VMs of a lost node show as they were last known',
  },
];
