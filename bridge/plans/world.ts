/** What a plan is resolved from besides the manifests. */
import type { Group, VirtualMachine, VirtualMachineStatus } from '../../api';
import type { RunOutcome } from '../../contract';

/** What is known besides the manifests. Every field may be left out: then nothing was observed and nothing ever ran. */
export interface World {
  /** What was last observed of a VM; undefined: the platform does not have it, unless it is unseen. */
  observe?: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  /** Whether it is not known if the platform has a VM. */
  isUnseen?: (vm: VirtualMachine) => boolean;
  /** See `reportedAfter` of a plan's member. */
  reportedAfter?: (vm: VirtualMachine) => number | undefined;
  /** Whether the run of a group that the VM has left may still give its place back. */
  mayLosePlace?: (vm: VirtualMachine) => boolean;
  /** Name of the platform that a VM is on; undefined: the default one. */
  platformOf?: (vm: VirtualMachine) => string | undefined;
  /** Whether the platform of a VM asks its readiness probe itself, and reports the VM as ready or not. */
  probesItself?: (vm: VirtualMachine) => boolean;
  /** How the last run of a group ended. */
  lastOutcome?: (group: Group) => RunOutcome | undefined;
  /** Names of the VMs whose places the last run of a group gave back. */
  released?: (group: Group) => readonly string[] | undefined;
  /** Whether the watch may not have reported yet what the group's last run did. */
  isWatchBehind?: (group: Group) => boolean;
  /** Whether a run of the group is open. */
  isRunning?: (group: Group) => boolean;
  /** The platform creates VMs only once they are placed: see {@link Plan.placesAhead}. */
  placesAhead?: boolean;
}
