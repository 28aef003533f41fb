/** What `plan` learns of the platform of a cluster: what it observes of VMs, and where it would place them. */
import type { VirtualMachine, VirtualMachineStatus } from '../../api';
import type { PlacedVm } from '../../placement';
import type { PlatformVm } from '../../platforms/simulated';
import { SIMULATOR_ADDRESS } from '../connections/cluster';

import type { ClusterManifests } from '../manifests/cluster';
import type { PlanOptions } from '../commands/manifests';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { placerOn, type NotKnown, type Placer } from './placement';
import { storedGroup } from '../groups/stored-group';

/** A platform, to somebody who only looks. */
export interface PlatformView {
  /** VMs come into being only once they are placed: also those of groups without a power state are. */
  placesAhead: boolean;
  /** What was last observed of a VM. */
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  place: Placer;
}

/** Looks at the platform that the options name. What cannot be read of it is said once a place is asked for. */
export async function lookAtPlatform(
  cluster: ClusterManifests,
  { simulator, platform = simulator === undefined ? 'vm-operator' : 'simulated' }: PlanOptions,
): Promise<PlatformView> {
  return platform === 'simulated'
    ? lookAtSimulator(cluster, simulator ?? SIMULATOR_ADDRESS)
    : lookAtVmOperator(cluster);
}

async function lookAtSimulator(cluster: ClusterManifests, address: string): Promise<PlatformView> {
  const console = new (lazy.simulated().SimulatorConsole)(address);
  try {
    const inventory = await console.inventory();
    const standing = await console.list();
    const states = new Map(standing.map(({ state }) => [state.vm.uid, state.status]));
    const place = placerOn(inventory, standing.map(placedVm));
    return {
      placesAhead: false,
      observe: ({ uid }) => states.get(uid),
      place: ({ beside = [], ...asked }) =>
        place({ ...asked, beside: beside.filter(({ vm }) => states.has(vm.uid)) }),
    };
  } catch (error: unknown) {
    const message = messageOf(error);
    return { placesAhead: false, observe: observerOf(cluster), place: () => notKnown(message) };
  } finally {
    console.close();
  }
}

function placedVm({ state, ...asks }: PlatformVm): PlacedVm {
  const { vm, status } = state;
  return { ...lazy.simulator().placementVm({ vm, ...asks }), placement: status.placement ?? { zoneID: '' } };
}

/** Reads the zones with the rights of whoever plans. */
function lookAtVmOperator(cluster: ClusterManifests): PlatformView {
  const machines = cluster.machines.map(lazy.kubernetes().trimVirtualMachine);
  const preview = lazy.vmOperator().previewPlaces(cluster.list, machines);
  return {
    placesAhead: true,
    observe: observerOf(cluster),
    place: async ({ requests, caller }) => {
      try {
        return (await preview(requests, caller)) ?? notKnown(NO_ZONES);
      } catch (error: unknown) {
        if (!(error instanceof CliError)) throw error;
        return notKnown([error.message, ...error.nextSteps.slice(0, 1)].join('; '));
      }
    },
  };
}

const NO_ZONES =
  'the API server has no zones (topology.tanzu.vmware.com) to place VMs in; where the platform is the simulated one, name it: --simulator ADDRESS';

/**
 * What was observed of a VM: by its own controller; where that says nothing, and no place was promised to the VM, by the bridge, which has it
 * from a platform that is not on the API server.
 */
function observerOf({ groups, machines }: ClusterManifests): PlatformView['observe'] {
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

function notKnown(message: string): NotKnown {
  return { type: 'NotKnown', message };
}
