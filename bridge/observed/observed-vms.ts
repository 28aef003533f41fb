/**
 * What is known of each VM: what the platform reports, or what the group's last run saw if the watch is behind.
 *
 * SEEN-1: the later of the two counts, by the platform's own versions.
 * SEEN-2: what a run saw counts for a while after the bridge learned of it. By then the watch has reported it, so what the platform says
 *     now is true, also if its versions or a worker's clock went back.
 * SEEN-3: of a VM that is not on the platform it counts only if the bridge followed the run to its end, and nothing was reported of the VM
 *     since: it may have been deleted.
 */
import { isLater, own, type ObjectName, type VirtualMachine, type VirtualMachineStatus } from '../../api';
import type { RunOutcome } from '../../contract';
import type { RunState } from '../runs';

/** The watch of the platform. */
export interface Observations {
  /** What was last observed; undefined: the platform does not have the VM. */
  get(vm: VirtualMachine): VirtualMachineStatus | undefined;
  /** What keeps the VM's open operation from taking effect, if the platform tells. */
  holdOf?(vm: VirtualMachine): string | undefined;
  /** Name of the platform that the VM is on; undefined: the default one. */
  platformOf?(vm: VirtualMachine): string | undefined;
  /** Whether that platform asks the VM's readiness probe itself. */
  probesItself?(vm: VirtualMachine): boolean;
  /** Names the VMs of all manifests to the platforms that cannot know them. */
  track?(vms: Iterable<VirtualMachine>): void;
  /** Calls back with each VM that changed; returns how to stop that. */
  onChange(listener: (vm: ObjectName) => void): () => void;
  /** Resolves once every VM of the platform was reported. */
  synced(): Promise<void>;
}

/** Milliseconds for which what a run saw may be ahead of the watch (SEEN-2). */
export const WATCH_LAG = 30_000;

/** What happened since to the VMs that one run reported by name. */
interface Since {
  /** Uids at the first look: another VM of the same name is not the one that the run saw. */
  uids: Map<string, string>;
  gone: Set<string>;
}

/** What is known of VMs. Keeps nothing of VMs and runs that do not exist any more. */
export class ObservedVms {
  readonly #observations: Observations;
  readonly #since = new WeakMap<RunOutcome, Since>();
  readonly #now: () => number;

  /** `now`: milliseconds of this process's own clock. */
  constructor(observations: Observations, now: () => number = () => performance.now()) {
    this.#observations = observations;
    this.#now = now;
  }

  /** What keeps the VM's open operation from taking effect. */
  holdOf(vm: VirtualMachine): string | undefined {
    return this.#observations.holdOf?.(vm);
  }

  /** Name of the platform that the VM is on; undefined: the default one. */
  platformOf(vm: VirtualMachine): string | undefined {
    return this.#observations.platformOf?.(vm);
  }

  /** Whether the platform of the VM asks its readiness probe itself. */
  probesItself(vm: VirtualMachine): boolean {
    return this.#observations.probesItself?.(vm) ?? false;
  }

  /** The watch reported something of a VM, whose group's last run is this one. */
  changed(vm: VirtualMachine, run: RunState | undefined): void {
    const outcome = outcomeOf(run);
    if (outcome && !this.#observations.get(vm)) this.#sinceOf(outcome).gone.add(vm.name);
  }

  /** What is known of a VM, whose group's last run is this one. */
  observe(vm: VirtualMachine, run: RunState | undefined): VirtualMachineStatus | undefined {
    const seen = this.#observations.get(vm);
    const outcome = outcomeOf(run);
    const reported = own(outcome?.observed, vm.name);
    if (!outcome || !reported || run?.phase !== 'Closed' || this.watchBehindFor(run) === 0) return seen;
    const { uids, gone } = this.#sinceOf(outcome);
    const uid = uids.get(vm.name) ?? vm.uid;
    uids.set(vm.name, uid);
    if (uid !== vm.uid) return seen;
    if (seen) return isLater(reported, seen) ? reported : seen;
    return run.witnessed && !gone.has(vm.name) ? reported : undefined;
  }

  /** Milliseconds for which the watch may not have reported yet what a run that has ended saw or did (SEEN-2); 0: it has. */
  watchBehindFor(run: RunState | undefined): number {
    if (run?.phase !== 'Closed' || run.learnedAt === undefined) return 0;
    return Math.max(0, run.learnedAt + WATCH_LAG - this.#now());
  }

  #sinceOf(outcome: RunOutcome): Since {
    const since = this.#since.get(outcome) ?? { uids: new Map<string, string>(), gone: new Set<string>() };
    this.#since.set(outcome, since);
    return since;
  }
}

function outcomeOf(run: RunState | undefined): RunOutcome | undefined {
  return run?.phase === 'Closed' ? run.outcome : undefined;
}
