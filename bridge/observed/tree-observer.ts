/** Gathers what is known of a tree of groups, as one moment's facts for a pass. */
import { own, type Group, type ObjectName, type VirtualMachine } from '../../api';
import { objectKey, splitKey, type ManifestIndex, type ObjectKey } from '../manifests';
import type { GroupFacts, GroupsFacts, MachineFacts, TreeFacts } from '../pass';
import { resolveTiers } from '../plans';
import type { GroupRuns, RunState } from '../runs';
import type { GroupView } from '../status';
import type { DesiredState } from './desired-state';
import type { GroupMemory } from './group-memory';
import type { ObservedVms } from './observed-vms';

/** What {@link TreeObserver} looks at. */
export interface TreeObserverOptions {
  desired: DesiredState;
  memory: GroupMemory;
  runs: GroupRuns;
  vms: ObservedVms;
  /** The view of a group that was shown last. */
  viewOf: (key: ObjectKey) => GroupView | undefined;
  placesAhead: boolean;
}

/** Observes trees; changes nothing. */
export class TreeObserver {
  readonly #options: TreeObserverOptions;

  constructor(options: TreeObserverOptions) {
    this.#options = options;
  }

  /** What is known of a tree of these manifests now. */
  tree(index: ManifestIndex, tree: readonly Group[]): TreeFacts {
    const groups = this.groups(index, tree);
    const machines = new Map<ObjectKey, MachineFacts>();
    for (const { tiers } of groups.values()) {
      for (const { vm } of tiers.flatMap((tier) => tier.members)) {
        if (vm) machines.set(objectKey(vm), this.#machine(vm));
      }
    }
    const { placesAhead } = this.#options;
    const mayLosePlace = this.#mayLosePlace(tree);
    return { index, tree, placesAhead, groups, machines, mayLosePlace, now: Date.now() };
  }

  /** Whether an open run of a group is known. */
  isRunning(group: ObjectName): boolean {
    return this.#options.runs.get(group)?.phase === 'Open';
  }

  /** What is known of the groups of a tree now. */
  groups(index: ManifestIndex, tree: readonly Group[]): GroupsFacts {
    return new Map(tree.map((group) => [objectKey(group), this.#group(index, group)]));
  }

  /** Tells of each VM of a namespace, by name, whether the run of a group that it has left may still give its place back. */
  #mayLosePlace(tree: readonly Group[]): (name: string) => boolean {
    const { desired, runs } = this.#options;
    const ofTree = new Set(tree.map(objectKey));
    const owners = [...desired.formerOwners]
      .filter((key) => !ofTree.has(key))
      .map(splitKey)
      .filter(({ namespace }) => namespace === tree[0]?.namespace);
    const claims = owners.map((group) => claimsOf(runs.get(group)));
    return (name) => claims.some((isClaimed) => isClaimed(name));
  }

  #group(index: ManifestIndex, group: Group): GroupFacts {
    const { desired, memory, runs, vms, viewOf } = this.#options;
    const key = objectKey(group);
    const run = runs.get(group);
    const view = viewOf(key);
    const sent = memory.sent(key);
    const asked = memory.requests.of(key);
    const refusedFor = memory.refusedFor(key);
    return {
      tiers: resolveTiers(index, group),
      ...(run && { run }),
      watchBehindFor: vms.watchBehindFor(run),
      ...(view && { view }),
      ...(sent && { sent }),
      ...(asked && { asked }),
      ...(refusedFor !== undefined && { refusedFor }),
      sendIn: memory.pace.wait(key, run?.phase === 'Open'),
      problems: desired.problemsOf(key),
    };
  }

  #machine(vm: VirtualMachine): MachineFacts {
    const { runs, vms } = this.#options;
    const run =
      vm.groupName === undefined ? undefined : runs.get({ namespace: vm.namespace, name: vm.groupName });
    const { status, isUnseen, isNews, reportedAfter } = vms.observe(vm, run);
    const hold = vms.holdOf(vm);
    const platform = vms.platformOf(vm);
    return {
      ...(status && { status }),
      ...(isUnseen && { isUnseen }),
      isNews,
      ...(reportedAfter !== undefined && { reportedAfter }),
      ...(hold !== undefined && { hold }),
      ...(platform !== undefined && { platform }),
      ...(vms.probesItself(vm) && { probesItself: true as const }),
    };
  }
}

/** Tells of each VM, by name, whether a run may give its place back. One that is not known yet may be open. */
function claimsOf(run: RunState | undefined): (name: string) => boolean {
  if (run && run.phase !== 'Open') return () => false;
  const { placements, placement, shortened } = run?.progress ?? {};
  if (!placements || shortened || placement?.phase === 'InProgress') return () => true;
  return (name) => own(placements, name) !== undefined;
}
