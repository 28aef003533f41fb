/**
 * What is known of each VM: what the platform reports, or what the group's last run saw if the watch is behind.
 *
 * SEEN-1: the later of the two counts, by the platform's own versions. Where it has none, the watch counts once it has reported the VM after
 *     the bridge learned what the run saw. No clock of another process is used.
 * SEEN-2: what a run saw counts for a while after the bridge learned of it. By then the watch has reported it, so what the platform says
 *     now is true, also if its versions went back.
 * SEEN-3: of a VM that is not on the platform it counts only if the bridge followed the run to its end, and nothing was reported of the VM
 *     since: it may have been deleted.
 * SEEN-4: a VM is unseen while its platform cannot tell whether it has it. What the last run saw of it counts.
 */
import { isLater, own, type ObjectName, type VirtualMachine, type VirtualMachineStatus } from '../../api';
import type { RunOutcome, SeenMember } from '../../contract';
import { objectKey, type ObjectKey } from '../manifests';
import type { HeardMember, RunState } from '../runs';

/** The watch of the platform. */
export interface Observations {
  /** What was last observed; undefined: the platform does not have the VM, if it is known. */
  get(vm: VirtualMachine): VirtualMachineStatus | undefined;
  /** Whether it is known if the platform has the VM: it was read, and can tell. Absent: always. */
  isKnown?(vm: VirtualMachine): boolean;
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
  /** Resolves once every platform has reported its VMs, or is not waited for. */
  synced(): Promise<void>;
}

/** Milliseconds for which what a run saw may be ahead of the watch (SEEN-2). */
export const WATCH_LAG = 30_000;

/** What is known of one VM. */
export interface ObservedVm {
  /** Absent: it is not on the platform, unless it is unseen. */
  status?: VirtualMachineStatus;
  /** SEEN-4. */
  isUnseen?: true;
  /** The platform reported it after the bridge learned what its group's last run says of it. */
  isNews: boolean;
  /** See `reportedAfter` of a plan's member. */
  reportedAfter?: number;
}

/** What is known of VMs. Keeps nothing of VMs and runs that no longer exist. */
export class ObservedVms {
  readonly #observations: Observations;
  /** When the watch reported each VM last, by this process's own clock. */
  readonly #reportedAt = new Map<ObjectKey, number>();
  /** Uids of the VMs that a run of an older build reported by name, at the first look: another VM of the same name is not the one that it saw. */
  readonly #uids = new WeakMap<RunOutcome, Map<string, string>>();
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

  /** The watch reported something of a VM. */
  changed(vm: ObjectName): void {
    this.#reportedAt.set(objectKey(vm), this.#now());
  }

  /** Forgets all VMs but these. */
  retain(vms: ReadonlyMap<ObjectKey, VirtualMachine>): void {
    // Called with each change of a manifest: most of them remove no VM.
    if (this.#reportedAt.size <= vms.size) return;
    for (const key of this.#reportedAt.keys()) if (!vms.has(key)) this.#reportedAt.delete(key);
  }

  /** What is known of a VM, whose group's last run is this one. */
  observe(vm: VirtualMachine, run: RunState | undefined): ObservedVm {
    const status = this.#observations.get(vm);
    if (!status && this.#observations.isKnown?.(vm) === false) return this.#besideAbsentPlatform(vm, run);
    if (run?.phase === 'Open') return this.#besideOpen(vm, status, run.heard?.get(vm.name));
    if (run?.phase === 'Closed' && run.outcome) return this.#besideClosed(vm, status, run, run.outcome);
    return { ...(status && { status }), isNews: true };
  }

  /** SEEN-4. */
  #besideAbsentPlatform(vm: VirtualMachine, run: RunState | undefined): ObservedVm {
    const outcome = run?.phase === 'Closed' ? run.outcome : undefined;
    const reported = own(outcome?.observed, vm.name);
    const seen = outcome && reported && this.#seenBy(outcome, reported, vm);
    return seen ? { status: seen, isNews: false } : { isUnseen: true, isNews: false };
  }

  #besideOpen(
    vm: VirtualMachine,
    status: VirtualMachineStatus | undefined,
    heard: HeardMember | undefined,
  ): ObservedVm {
    if (!status || !heard) return { ...(status && { status }), isNews: true };
    const isLaterVersion = isLater(status, heard);
    const isNews = isLaterVersion ?? this.#isReportedSince(vm, heard.heardAt);
    const vouches = isNews && isLaterVersion === undefined;
    return { status, isNews, ...(vouches && { reportedAfter: heard.since }) };
  }

  #besideClosed(
    vm: VirtualMachine,
    status: VirtualMachineStatus | undefined,
    run: RunState & { phase: 'Closed' },
    outcome: RunOutcome,
  ): ObservedVm {
    const reported = own(outcome.observed, vm.name);
    const isLaterVersion = status && reported && isLater(status, reported);
    const isNews = isLaterVersion ?? this.#isReportedSince(vm, run.learnedAt);
    const asReported = { ...(status && { status }), isNews };
    if (!reported || this.watchBehindFor(run) === 0) return asReported;
    const seen = this.#seenBy(outcome, reported, vm);
    const mayCount = !isNews && (status !== undefined || run.witnessed === true);
    return seen && mayCount ? { status: seen, isNews: false } : asReported;
  }

  /** What a run saw under the name of a VM, if it was that VM. */
  #seenBy(outcome: RunOutcome, reported: SeenMember, vm: VirtualMachine): VirtualMachineStatus | undefined {
    const { uid = this.#uidOf(vm, outcome), ...seen } = reported;
    return uid === vm.uid ? seen : undefined;
  }

  #uidOf({ name, uid }: VirtualMachine, outcome: RunOutcome): string {
    const uids = this.#uids.get(outcome) ?? new Map<string, string>();
    this.#uids.set(outcome, uids);
    const first = uids.get(name) ?? uid;
    uids.set(name, first);
    return first;
  }

  /** Whether the watch has reported a VM since then, or has had its time to; `since`: milliseconds of this process's own clock. */
  #isReportedSince(vm: VirtualMachine, since: number | undefined): boolean {
    if (since === undefined || this.#now() >= since + WATCH_LAG) return true;
    return (this.#reportedAt.get(objectKey(vm)) ?? -Infinity) >= since;
  }

  /** Milliseconds for which the watch may not have reported yet what a run saw or did (SEEN-2); 0: it has. */
  watchBehindFor(run: RunState | undefined): number {
    return Math.max(0, lastLearned(run) + WATCH_LAG - this.#now());
  }
}

/** When the bridge learned last what a run saw of a VM; of an open run only where the platform's versions do not tell what is later. */
function lastLearned(run: RunState | undefined): number {
  if (run?.phase === 'Closed') return run.learnedAt ?? -Infinity;
  if (run?.phase !== 'Open') return -Infinity;
  const withoutVersion = [...(run.heard?.values() ?? [])].filter(
    ({ powerState, version }) => powerState !== undefined && version === undefined,
  );
  return Math.max(-Infinity, ...withoutVersion.map(({ heardAt }) => heardAt));
}
