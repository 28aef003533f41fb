/** What each type of platform can do, so that a manifest that needs more is named before its run starts. */
import type { PlatformSettings } from '../api';

/** What a platform can do. */
export interface Capabilities {
  /**
   * Who decides where a VM stands. `Hosts`: the solver picks a host. `Zones`: the solver picks a zone, and the platform a host in it.
   * `Platform`: the platform alone, so affinity rules in manifests have no effect. `HostsOrDrs`: DRS in clusters where it is on, and hosts elsewhere.
   * `HostsOrDrsRules`: the same, and required rules over hosts are passed on to DRS.
   */
  placement: 'Hosts' | 'Zones' | 'Platform' | 'HostsOrDrs' | 'HostsOrDrsRules';
  /** What `Suspended` does. `Saved`: memory is written to storage. `Paused`: the VM stops and keeps its memory on its host. */
  suspend: 'Saved' | 'Paused';
  /** Whether `Soft` and `TrySoft` reach the guest. */
  softShutdown: boolean;
  /** Gates that the platform reports by itself, in addition to `PoweredOn`. */
  gates: readonly PlatformGate[];
  /**
   * How an operation with a smaller sequence is kept from acting. `CompareAndSet`: the platform itself refuses it. `ReadBeforeWrite`: this
   * process reads the sequence on record and compares, so two processes that act in the same instant may both act.
   */
  fencing: 'CompareAndSet' | 'ReadBeforeWrite';
  /** Whether the guest's address is known, for probes without a host. */
  guestAddress: boolean;
  /** Who asks what `spec.readinessProbe` of a VM says: the platform, which reports `Ready`, or a worker. */
  readinessProbe: 'Platform' | 'Worker';
  /** What it reports of guests on request, for readiness probes that a worker asks. */
  guestReports: readonly GuestReportKind[];
}

/** A gate that a platform may report. */
export type PlatformGate = 'Ready' | 'Condition';

/** What a guest reports about itself through its tools. */
export type GuestReportKind = 'Heartbeat' | 'GuestInfo';

/** Types of platforms. */
export const PLATFORM_TYPES = ['simulated', 'vm-operator', 'vsphere', 'libvirt', 'kubevirt'] as const;

/** A type of platform. */
export type PlatformType = (typeof PLATFORM_TYPES)[number];

/** The capabilities of each type. */
export const CAPABILITIES: Readonly<Record<PlatformType, Capabilities>> = {
  simulated: {
    placement: 'Hosts',
    suspend: 'Saved',
    softShutdown: true,
    gates: ['Ready'],
    fencing: 'CompareAndSet',
    guestAddress: true,
    readinessProbe: 'Worker',
    guestReports: ['Heartbeat', 'GuestInfo'],
  },
  'vm-operator': {
    placement: 'Zones',
    suspend: 'Saved',
    softShutdown: true,
    gates: ['Ready', 'Condition'],
    fencing: 'CompareAndSet',
    guestAddress: true,
    readinessProbe: 'Platform',
    guestReports: [],
  },
  vsphere: {
    placement: 'HostsOrDrs',
    suspend: 'Saved',
    softShutdown: true,
    gates: ['Ready'],
    // With a custom attribute; an ESXi host compares and sets.
    fencing: 'ReadBeforeWrite',
    guestAddress: true,
    readinessProbe: 'Worker',
    guestReports: ['Heartbeat', 'GuestInfo'],
  },
  libvirt: {
    placement: 'Hosts',
    suspend: 'Saved',
    softShutdown: true,
    gates: ['Ready'],
    // In the metadata of the domain.
    fencing: 'ReadBeforeWrite',
    guestAddress: false,
    readinessProbe: 'Worker',
    guestReports: [],
  },
  kubevirt: {
    placement: 'Platform',
    suspend: 'Paused',
    softShutdown: true,
    gates: ['Ready', 'Condition'],
    fencing: 'CompareAndSet',
    guestAddress: true,
    // KubeVirt asks the probe of its own template; that of a manifest is a worker's.
    readinessProbe: 'Worker',
    guestReports: [],
  },
};

/** What the platform with these settings can do. */
export function capabilitiesOf(
  settings: Pick<PlatformSettings, 'type'> & { drsRules?: boolean },
): Capabilities {
  const has = CAPABILITIES[settings.type];
  return settings.drsRules === true && has.placement === 'HostsOrDrs'
    ? { ...has, placement: 'HostsOrDrsRules' }
    : has;
}
