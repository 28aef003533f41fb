/** Where runs would place VMs, if that is known. */
import type { PlaceInput } from '../../contract';
import type { PlacementAnswer } from '../../placement';
import type { PlatformType } from '../../platforms';

/** The placement is unknown; the message says why. */
export interface UnknownPlacement {
  type: 'NotKnown';
  message: string;
}

/** The platform chooses the places itself; the message says how. */
export interface LeftPlacement {
  type: 'LeftToPlatform';
  message: string;
}

/** Where VMs would be placed. */
export type PlannedPlacement = PlacementAnswer | UnknownPlacement | LeftPlacement;

/** Places VMs, group after group. Each call counts the VMs of those before it. */
export type Placer = (input: PlaceInput) => PlannedPlacement | Promise<PlannedPlacement>;

/** A placement that is unknown. */
export function unknownPlacement(message: string): UnknownPlacement {
  return { type: 'NotKnown', message };
}

/** A placer for a type of platform of which nothing can be asked here; undefined: one on an inventory answers for it. */
export function placerOfType(type: PlatformType | undefined): Placer | undefined {
  if (type === 'kubevirt')
    return () => leftPlacement('the scheduler of the cluster chooses nodes when VMs start');
  if (type === 'vsphere' || type === 'libvirt')
    return () =>
      unknownPlacement('nothing describes the platform, which is asked: name its Platform, by --platforms');
  return undefined;
}

function leftPlacement(message: string): LeftPlacement {
  return { type: 'LeftToPlatform', message };
}
