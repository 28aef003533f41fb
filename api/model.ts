/**
 * The one internal form of every resource, whatever version and spelling it was written in.
 *
 * All durations are milliseconds, all times are milliseconds since the Unix epoch, all memory is bytes.
 * Everything here is plain JSON (no Map, Set, Date), so it can travel through Temporal payloads.
 */

/** Power state of a VM, as `spec.powerState` spells it. */
export type PowerState = 'PoweredOn' | 'PoweredOff' | 'Suspended';

/** How a VM is powered off or suspended: `Soft` asks the guest, `TrySoft` asks and then forces, `Hard` forces. */
export type PowerMode = 'Hard' | 'Soft' | 'TrySoft';

/** Kinds that can be a member of a group. */
export type MemberKind = 'VirtualMachine' | 'VirtualMachineGroup';

/** What a member must have reached for its tier to count as done. */
export type Gate = 'None' | 'PoweredOn' | 'Ready' | 'Probe' | `Condition/${string}`;

/** What a worker asks to find out whether the service of a guest is up: exactly one of the first four. */
export interface Probe {
  tcpSocket?: TcpSocketProbe;
  httpGet?: HttpGetProbe;
  /** The heartbeat of the guest's tools must be at least this good; the platform reports it. */
  guestHeartbeat?: { thresholdStatus: 'yellow' | 'green' };
  /** What the guest must have set, all of it; the platform reports it. */
  guestInfo?: GuestInfoProbe[];
  /** Milliseconds from the start of one try to that of the next. */
  period: number;
  /** Longest time of one try, milliseconds. */
  timeout: number;
  /** Successes in a row that meet the gate. */
  successThreshold: number;
  /** Failures in a row after which the gate is given up; absent: only the gate's time-out ends it. */
  failureThreshold?: number;
}

/** A connection that has to be accepted. */
export interface TcpSocketProbe {
  port: number;
  /** Name or IP address; absent: the guest's own address. */
  host?: string;
}

/** A value that the guest must have set. */
export interface GuestInfoProbe {
  /** Without the prefix `guestinfo.`. */
  key: string;
  /** RE2 regular expression that matches anywhere in the value; absent, or no expression: any value. */
  value?: string;
}

/** A request that has to be answered with the expected status. */
export interface HttpGetProbe {
  port: number;
  /** Name or IP address; absent: the guest's own address. */
  host?: string;
  scheme: 'HTTP' | 'HTTPS';
  path: string;
  /** Absent: any from 200 to 399. */
  expectedStatus?: number;
  headers?: { name: string; value: string }[];
  /** With `HTTPS`; absent: the certificate must be one that the system trusts, for `host`. */
  tls?: { caFile?: string; serverName?: string; insecureSkipVerify?: true };
}

/** Names one member within the namespace of its group. */
export interface MemberRef {
  kind: MemberKind;
  name: string;
}

/** One boot group. */
export interface Tier {
  members: MemberRef[];
  /**
   * Milliseconds between "the tier before is done" (or the start of the run, for the first tier) and the first power-on of this
   * tier: `powerOnDelay` of this tier plus `delay` of the tier before it.
   */
  powerOnDelay: number;
  /** Milliseconds before this tier is powered off in the reverse walk; `null` where the manifest has none. */
  powerOffDelay: number | null;
}

/** Names an object of a known kind. */
export interface ObjectName {
  namespace: string;
  name: string;
}

/** What every object of the internal form carries. */
export interface ObjectMeta {
  namespace: string;
  name: string;
  /** `metadata.uid`; a source that has none (a directory) derives one from kind, namespace and name. */
  uid: string;
  /**
   * Grows with every change of the desired state of this object: `metadata.generation` on Kubernetes, change time of the file in
   * milliseconds in a directory. 0 when unknown.
   */
  generation: number;
  /** Identifies one version of the desired state: `uid:generation` on Kubernetes, a content hash in a directory. */
  revision: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** On a cluster: who wrote the spec last. */
  changedBy?: SpecChange;
}

/** Who wrote the spec of an object. */
export interface SpecChange {
  /** The user, or the field manager of the client. */
  name: string;
  /** The user was authenticated by the API server. */
  known: boolean;
  /** RFC 3339. */
  at?: string;
}

/** A VirtualMachineGroup. */
export interface Group extends ObjectMeta {
  /** Parent group in the same namespace. */
  groupName?: string;
  tiers: Tier[];
  /** Desired power state; absent: power is left alone. */
  powerState?: PowerState;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  /** `now`, or the time that an admission webhook put in its place. A new value asks for one sync of every member. */
  nextForcePowerStateSyncTime?: string;
  /** Name of the SequencePolicy from the annotation `vmgroup.dev/policy`. */
  policyName?: string;
  /** A policy of its own, from the annotation `vmgroup.dev/policy-spec`; it outranks {@link Group.policyName}. */
  policy?: SequencePolicy;
  /** Its runs are rehearsals: from the annotation `vmgroup.dev/test`. */
  test?: true;
  /** Why another controller powers the members: then nothing is done with the group's tree. */
  contestedBy?: string;
}

/** A label selector: all `matchLabels` and all `matchExpressions` must hold. */
export interface LabelSelector {
  matchLabels: Record<string, string>;
  matchExpressions: {
    key: string;
    operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    values: string[];
  }[];
}

/** One affinity rule of a VM, from any of the accepted spellings. */
export interface AffinityTerm {
  effect: 'Affinity' | 'AntiAffinity';
  strength: 'Required' | 'Preferred';
  topologyKey: 'kubernetes.io/hostname' | 'topology.kubernetes.io/zone';
  selector: LabelSelector;
  /** Where the term stands in the manifest, for messages: `spec.affinity.vmAffinity...[0]`. */
  path: string;
}

/** A VirtualMachine: the fields that groups need. */
export interface VirtualMachine extends ObjectMeta {
  groupName?: string;
  className?: string;
  powerState?: PowerState;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  affinity: AffinityTerm[];
  /** What VM Operator's condition `Ready` of the VM is based on. */
  readinessProbe?: Probe;
  /** Zone the VM is pinned to by the label `topology.kubernetes.io/zone`. */
  zone?: string;
  /** Where the VM is already, from `status` (`uniqueID` and `zone` both set). */
  placed?: Placement;
  /** Name of the platform that the VM is on, from the annotation `vmgroup.dev/platform`. */
  platform?: string;
  /** Which VM of the platform it is, from the annotation `vmgroup.dev/platform-vm`; absent: the platform's convention for names. */
  locator?: VmLocator;
}

/** Names an existing VM of a platform in the platform's own terms. */
export type VmLocator = `uuid:${string}` | `path:${string}`;

/** A VirtualMachineClass: what a VM of the class asks for. */
export interface VirtualMachineClass extends ObjectMeta {
  cpus: number;
  /** Bytes. */
  memory: number;
}

/** Where a VM is or will be: `status.members[].placement`. */
export interface Placement {
  zoneID: string;
  node?: string;
  pool?: string;
  datastores?: { name: string; id?: string }[];
}

/** What was observed of one VM, at one moment. */
export interface VirtualMachineStatus {
  powerState: PowerState;
  /** The VM's own readiness; absent where nothing reports it. */
  ready?: boolean;
  /** Types of its other conditions that are `True`; absent where it has none. */
  conditions?: string[];
  /** When the VM came into this power state; absent where the platform does not tell. */
  since?: number;
  /** When it was observed, by the clock of the process that did: for people. */
  at: number;
  /** The platform's own version of the VM, a decimal number: grows with each change. Absent where the platform has none. */
  version?: string;
  /** Absent until the VM is placed. */
  placement?: Placement;
  /** IP address of the guest; absent where the platform does not know one. */
  address?: string;
}

/** What a parked member does to the tiers after it. */
export type WhenParked = 'Hold' | 'Continue' | 'Fail';

/** What happens to a VM that was changed behind the group's back. */
export type DriftAction = 'Enforce' | 'Report';

/** What deleting a group does to its members. */
export type DeletionPolicy = 'Orphan' | 'Cascade';

/** The gate of a tier or a member, where it differs from the rest. */
export interface GatePolicy {
  gate?: Gate;
  /** Milliseconds. */
  gateTimeout?: number;
  probe?: Probe;
}

/** The answer to one kind of question of a platform. */
export interface QuestionPolicy {
  /** Kind of the question, as the platform names it: `msg.uuid.altered`. */
  kind: string;
  /** Key of one of its choices. */
  answer: string;
}

/** The gate of one VM, where it differs from that of its tier. */
export interface MemberPolicy extends GatePolicy {
  name: string;
}

/** The settings of one tier that differ from the rest. */
export interface TierPolicy extends GatePolicy {
  /** Index into `bootOrder`, from 0. */
  tier: number;
  quorum?: number | `${number}%`;
  whenParked?: WhenParked;
  targets?: RecoveryTargets;
}

/** Goals that runs are reported against. They change nothing that a run does. */
export interface RecoveryTargets {
  /** Recovery time objective: longest time from the start of the run until every VM has reached its gate, milliseconds. */
  rto: number;
}

/** A SequencePolicy: how a group's runs behave where VirtualMachineGroup has no field for it. */
export interface SequencePolicySpec {
  /** Absent: see {@link DEFAULT_GATE}. */
  gate?: Gate;
  /** Longest wait for the gate after the power state was reached, milliseconds. */
  gateTimeout: number;
  /** Where the gate is `Probe`, unless the tier or the member has its own. */
  probe?: Probe;
  /** Longest wait for one power operation to show its effect, milliseconds. */
  operationTimeout: number;
  retry: {
    /** Attempts of one operation before its member is parked. */
    maximumAttempts: number;
    /** Milliseconds before the second attempt; doubles with each further one. */
    initialInterval: number;
    /** Longest pause between two attempts, milliseconds. */
    maximumInterval: number;
  };
  whenParked: WhenParked;
  /** Members that no tier waits for. */
  optionalMembers: MemberRef[];
  /** How many members make a tier done; absent: all. */
  quorum?: number | `${number}%`;
  /** Power operations of one group that may be open at the same time. */
  maxConcurrentOperations: number;
  drift: {
    action: DriftAction;
    /** Corrections of one VM within `window` before the group leaves it alone. */
    maxCorrections: number;
    /** Milliseconds. */
    window: number;
  };
  /** How long `TrySoft` and `Soft` wait for the guest, milliseconds. */
  guestShutdownTimeout: number;
  deletion: DeletionPolicy;
  /** Answers to questions of the platform; the first one of a kind counts. */
  questions?: QuestionPolicy[];
  /** Of the whole run. */
  targets?: RecoveryTargets;
  tiers: TierPolicy[];
  members?: MemberPolicy[];
}

/** A SequencePolicy object. */
export interface SequencePolicy extends ObjectMeta {
  spec: SequencePolicySpec;
}

/** A Platform object: where VMs are, and how it is reached. Its name is what VMs name it by. */
export interface PlatformObject extends ObjectMeta {
  settings: PlatformSettings;
  /** Namespaces whose VMs are on this platform if they name none. */
  namespaces: string[];
}

/** How each type of platform is reached. */
export type PlatformSettings =
  | { type: 'simulated'; /** `http://HOST:PORT` of the simulator. */ address: string }
  | { type: 'vm-operator'; kubeconfig?: string; context?: string }
  | { type: 'kubevirt'; kubeconfig?: string; context?: string }
  | VsphereSettings
  | LibvirtSettings;

/** How a vCenter or an ESXi host is reached. Files are read again at each login. */
export interface VsphereSettings {
  type: 'vsphere';
  /** `https://HOST` or `https://HOST/sdk`. */
  address: string;
  /** Path of the VM folder in which VMs are found by name. */
  folder?: string;
  /** Path of the resource pool in which VMs are found by name. */
  pool?: string;
  /** Path of a PEM file with the authorities of the server's certificate. */
  caFile?: string;
  /** SHA-256 or SHA-1 of the server's certificate. */
  thumbprint?: string;
  /** Path of a file with the name of the user. */
  userFile?: string;
  /** Path of a file with the password. */
  passwordFile?: string;
  /** Where operations are recorded. */
  records?: 'Attribute' | 'ExtraConfig';
  /** DRS places VMs by itself even where its automation level leaves that to people. */
  overrideDrs?: boolean;
  /** Affinity rules are passed on to DRS, as rules of its own. */
  drsRules?: boolean;
}

/** How the hosts of libvirt are reached. */
export interface LibvirtSettings {
  type: 'libvirt';
  hosts: LibvirtHost[];
}

/** One host of libvirt; without `ssh` and `tls` it is this machine. */
export interface LibvirtHost {
  /** The node of placements. */
  name: string;
  /** Driver, such as `qemu:///system`; absent: that one, or on this machine what `LIBVIRT_DEFAULT_URI` says. */
  uri?: string;
  /** Path of the socket. */
  socket?: string;
  /** `HOST` or `USER@HOST`. */
  ssh?: string;
  /** Files are read at each connection. */
  tls?: { host: string; port?: number; caFile: string; certFile: string; keyFile: string };
}

/** One host of a SimulatedInventory. */
export interface SimulatedHost {
  name: string;
  zone: string;
  pool: string;
  cpus: number;
  /** Bytes. */
  memory: number;
}

/** One datastore of a SimulatedInventory. */
export interface SimulatedDatastore {
  name: string;
  id: string;
  zones: string[];
  /** Bytes. */
  capacity: number;
}

/** A fixed time, or one drawn from a distribution; milliseconds. */
export type SimulatedTime = number | { min: number; max: number } | { mean: number; deviation: number };

/** Ways in which the simulated platform can go wrong. */
export const SIMULATED_FAULT_TYPES = [
  /** Accepted, and never happens. */
  'Stuck',
  /** Takes `factor` times as long. */
  'Slow',
  /** Refused; may work next time. */
  'TransientError',
  /** Refused; will never work. */
  'PermanentError',
  /** Refused with a time to come back after. */
  'Throttled',
  /** Refused: no host has room. */
  'NoCapacity',
  /** Accepted, and the answer is lost. */
  'LostReply',
  /** The guest ignores shutdown and standby. */
  'GuestIgnoresShutdown',
  /** Accepted, and the platform asks a question before it happens. */
  'Question',
] as const;

/** One of {@link SIMULATED_FAULT_TYPES}. */
export type SimulatedFaultType = (typeof SIMULATED_FAULT_TYPES)[number];

/** What guests of a SimulatedInventory report of themselves while they are on. */
export interface SimulatedGuest {
  /** `name` or `namespace/name` of the VM; absent: any VM. */
  vm?: string;
  /** IP address. */
  address?: string;
  /** What it has set once it is ready, by key. */
  info?: Record<string, string>;
}

/** One fault of a SimulatedInventory. */
export interface SimulatedFault {
  type: SimulatedFaultType;
  /** `name` or `namespace/name` of the VM; absent: any VM. */
  vm?: string;
  /** Only operations that lead to this power state; absent: any. */
  operation?: PowerState;
  /** Calls of each VM that are hit, counted from the first; absent: every call. */
  times?: number;
  /** Chance of a hit, 0 to 1; absent: 1. */
  probability?: number;
  /** `Throttled`: milliseconds to come back after. */
  retryAfter?: number;
  /** `Slow`: how many times longer. */
  factor?: number;
  /** `Question`: kind of the question; absent: `msg.uuid.altered`. */
  kind?: string;
}

/** A SimulatedInventory: what the simulated platform consists of and how it behaves. */
export interface SimulatedInventory extends ObjectMeta {
  hosts: SimulatedHost[];
  datastores: SimulatedDatastore[];
  /** The first one that fits a VM counts. */
  guests?: SimulatedGuest[];
  behavior: {
    seed: number;
    /** From the accepted power-on to `PoweredOn`. */
    powerOnTime: SimulatedTime;
    /** From `PoweredOn` to ready. */
    readyTime: SimulatedTime;
    /** From the accepted power-off or suspend to its effect, forced. */
    powerOffTime: SimulatedTime;
    /** From the accepted soft power-off or standby to its effect, by the guest. */
    guestShutdownTime: SimulatedTime;
    faults: SimulatedFault[];
  };
}

/** Every resource of a set of manifests, in the internal form, valid ones only. */
export interface Manifests {
  groups: Group[];
  virtualMachines: VirtualMachine[];
  classes: VirtualMachineClass[];
  policies: SequencePolicy[];
  inventories: SimulatedInventory[];
  platforms: PlatformObject[];
}
