/** What `plan` learns from the platform of a cluster: the state of VMs, and where it would place them. */
import type { VirtualMachine, VirtualMachineStatus } from '../../api';
import type { PlacedVm } from '../../placement';
import type { PlatformType } from '../../platforms';
import type { PlatformVm } from '../../platforms/simulated';
import { CliError, messageOf } from '../errors';
import { storedGroup } from '../groups';
import * as lazy from '../lazy';
import type { ClusterManifests } from '../manifests';
import { SIMULATOR_ADDRESS, type PlatformOptions } from '../options';
import { placerOn } from './placer';
import { placerOfType, unknownPlacement, type Placer, type UnknownPlacement } from './planned-placement';

/** A platform, as `plan` sees it. */
export interface PlatformView {
  /** VMs are created once they are placed, so that VMs of groups without a power state are placed too. */
  placesAhead: boolean;
  /** The last observed state of a VM. */
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  place: Placer;
}

const NO_ZONES =
  'the API server has no zones (topology.tanzu.vmware.com) to place VMs in; if the platform is the simulated one, name it: --simulator ADDRESS';

/** Reads the default platform, of this type. If that fails, the placements are unknown. */
export async function viewPlatform(
  cluster: ClusterManifests,
  type: PlatformType | undefined,
  { simulator, mode }: Pick<PlatformOptions, 'simulator' | 'mode'>,
): Promise<PlatformView> {
  if (type === 'simulated') return viewSimulator(cluster, simulator ?? SIMULATOR_ADDRESS);
  if (type === 'vm-operator') {
    const view = viewVmOperator(cluster);
    // VM Operator's own group controller places there.
    return mode === 'companion' ? { ...view, placesAhead: false } : view;
  }
  const place =
    placerOfType(type) ?? ((): UnknownPlacement => unknownPlacement('the platform chooses the places'));
  const observe = type === 'kubevirt' ? await observedByKubevirt(cluster) : observedOnCluster(cluster);
  return { placesAhead: false, observe, place };
}

/** The state of each VM by its instance. */
async function observedByKubevirt({ machines, list }: ClusterManifests): Promise<PlatformView['observe']> {
  const { powerStateOf, trimInstance } = lazy.kubevirt();
  const { kubevirtInstances } = lazy.kubernetes().RESOURCES;
  const namespaces = new Set(machines.map(({ metadata }) => metadata.namespace ?? ''));
  const lists = await Promise.all([...namespaces].map((namespace) => list(kubevirtInstances, namespace)));
  const instances = new Map(
    lists.flatMap((items = []) =>
      items.map((vmi) => [`${vmi.metadata.namespace}/${vmi.metadata.name}`, trimInstance(vmi)]),
    ),
  );
  const known = new Set(machines.map(({ metadata }) => metadata.uid));
  const at = Date.now();
  return ({ uid, namespace, name }) =>
    known.has(uid) ? { powerState: powerStateOf(instances.get(`${namespace}/${name}`)), at } : undefined;
}

async function viewSimulator(cluster: ClusterManifests, address: string): Promise<PlatformView> {
  try {
    const { standing, place } = await readSimulator(address);
    const states = new Map(standing.map(({ state }) => [state.vm.uid, state.status]));
    return {
      placesAhead: false,
      observe: ({ uid }) => states.get(uid),
      place: ({ beside = [], ...input }) =>
        place({ ...input, beside: beside.filter(({ vm }) => states.has(vm.uid)) }),
    };
  } catch (error: unknown) {
    const message = messageOf(error);
    return {
      placesAhead: false,
      observe: observedOnCluster(cluster),
      place: () => unknownPlacement(message),
    };
  }
}

/** A simulated platform: its VMs, and where it would place others. Rejects if it does not answer. */
export async function readSimulator(
  address: string,
): Promise<{ standing: readonly PlatformVm[]; place: Placer }> {
  const console = new (lazy.simulated().SimulatorConsole)(address);
  try {
    const inventory = await console.inventory();
    const standing = await console.list();
    return { standing, place: placerOn(inventory, standing.map(placedVm)) };
  } finally {
    console.close();
  }
}

function placedVm({ state, ...request }: PlatformVm): PlacedVm {
  const { vm, status } = state;
  return {
    ...lazy.simulator().placementVm({ vm, ...request }),
    placement: status.placement ?? { zoneID: '' },
  };
}

/** The zones are read with the rights of the person who plans. */
function viewVmOperator(cluster: ClusterManifests): PlatformView {
  const machines = cluster.machines.map(lazy.kubernetes().trimVirtualMachine);
  const preview = lazy.vmOperator().previewPlaces(cluster.list, machines);
  return {
    placesAhead: true,
    observe: observedOnCluster(cluster),
    place: async ({ requests }) => {
      try {
        return (await preview(requests)) ?? unknownPlacement(NO_ZONES);
      } catch (error: unknown) {
        if (!(error instanceof CliError)) throw error;
        return unknownPlacement([error.message, ...error.nextSteps.slice(0, 1)].join('; '));
      }
    },
  };
}

/**
 * The state of each VM by its own controller. If that says nothing and the VM was promised no place, the state by the bridge, which has it
 * from a platform that is not on the API server.
 */
function observedOnCluster({ groups, machines }: ClusterManifests): PlatformView['observe'] {
  const { recordedPlacement, statusOf } = lazy.vmOperator();
  const now = Date.now();
  const observed = new Map<string, VirtualMachineStatus>();
  for (const { members } of groups.map((group) => storedGroup(group).view.status)) {
    for (const { uid, powerState, placement } of members)
      if (uid && powerState) observed.set(uid, { powerState, at: now, ...(placement && { placement }) });
  }
  for (const machine of machines.map(lazy.kubernetes().trimVirtualMachine)) {
    const { metadata, status } = machine;
    if (status.powerState !== undefined || recordedPlacement(machine))
      observed.set(metadata.uid ?? '', statusOf(machine, now));
  }
  return ({ uid }) => observed.get(uid);
}
