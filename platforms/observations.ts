/** What the bridge reads of the VMs of all platforms. */
import type { VirtualMachine, VirtualMachineStatus } from '../api';
import { machineRef, type VirtualMachineRef } from '../contract';
import type { Observer } from './observer';
import type { PlatformNames } from './platform-names';
import { questionText } from './question';

/** The last observed state of each VM, as the bridge reads it. */
export interface PlatformObservations {
  get(vm: VirtualMachine): VirtualMachineStatus | undefined;
  /** Whether it is known if the platform has the VM. */
  isKnown(vm: VirtualMachine): boolean;
  /** Why the VM's operation takes no effect for now. */
  holdOf(vm: VirtualMachine): string | undefined;
  /** Name of the platform that a VM is on; undefined: the default one. */
  platformOf(vm: VirtualMachine): string | undefined;
  /** Whether that platform asks the VM's readiness probe itself. */
  probesItself(vm: VirtualMachine): boolean;
  /** Names the VMs of all manifests to the platforms that cannot know them. */
  track(vms: Iterable<VirtualMachine>): void;
  onChange(listener: (vm: VirtualMachineRef) => void): () => void;
  /** Resolves once every platform has reported its VMs, or is not waited for. */
  synced(): Promise<void>;
}

/** The observers of an installation. */
export interface Observers {
  /** Of the default platform. */
  byDefault: Observer;
  /** Of the other ones, by name. */
  others?: ReadonlyMap<string, Observer>;
  /** Absent: every VM is on the default platform. */
  names?: PlatformNames;
}

const NO_OTHERS: ReadonlyMap<string, Observer> = new Map();

/** The observations of all platforms. Each is watched once. */
export function observationsOf({ byDefault, others = NO_OTHERS, names }: Observers): PlatformObservations {
  const all = [byDefault, ...others.values()];
  // Without platforms of its own an installation cannot tell what a name means.
  const platformOf = (vm: VirtualMachine): string | undefined => (names ? names.of(vm) : vm.platform);
  const observerOf = (vm: VirtualMachine): Observer | undefined => {
    const name = platformOf(vm);
    return name === undefined ? byDefault : others.get(name);
  };
  return {
    get: (vm) => observerOf(vm)?.get(vm)?.status,
    isKnown: (vm) => observerOf(vm)?.isKnown(machineRef(vm.namespace, vm)) ?? false,
    holdOf: (vm) => {
      const observer = observerOf(vm);
      if (!observer) return unknownPlatform(platformOf(vm) ?? '', [...others.keys()]);
      const { operation, question } = observer.get(vm) ?? {};
      return operation?.hold ?? (question && questionText(question));
    },
    platformOf,
    probesItself: (vm) => observerOf(vm)?.capabilities.readinessProbe === 'Platform',
    track: (vms) => {
      const tracking = all.filter((observer) => observer.tracks);
      if (tracking.length === 0) return;
      const refs = new Map<Observer, VirtualMachineRef[]>(tracking.map((observer) => [observer, []]));
      for (const vm of vms) {
        const observer = observerOf(vm);
        if (observer) refs.get(observer)?.push(machineRef(vm.namespace, vm));
      }
      for (const [observer, found] of refs) observer.track(found);
    },
    onChange: (listener) => {
      const stops = all.map((observer) => observer.onChange(({ vm }) => listener(vm)));
      return () => stops.forEach((stop) => stop());
    },
    synced: async () => void (await Promise.all(all.map((observer) => observer.tried()))),
  };
}

function unknownPlatform(name: string, others: readonly string[]): string {
  const known = others.length > 0 ? `; there are ${others.join(', ')} and the default one` : '';
  return `there is no platform ${name} in this installation${known}: correct the annotation vmgroup.dev/platform, or add the Platform`;
}
