/** Gathers what is known of a tree of groups, as one moment's facts for a pass. */
import type { Group, VirtualMachine } from '../../api';
import { objectKey, type ManifestIndex, type ObjectKey } from '../manifests';
import type { GroupFacts, GroupsFacts, MachineFacts, TreeFacts } from '../pass';
import { resolveTiers } from '../plans';
import type { GroupRuns } from '../runs';
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
    return { index, tree, placesAhead, groups, machines, now: Date.now() };
  }

  /** What is known of the groups of a tree now. */
  groups(index: ManifestIndex, tree: readonly Group[]): GroupsFacts {
    return new Map(tree.map((group) => [objectKey(group), this.#group(index, group)]));
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
    const { status, isNews, reportedAfter } = vms.observe(vm, run);
    const hold = vms.holdOf(vm);
    const platform = vms.platformOf(vm);
    return {
      ...(status && { status }),
      isNews,
      ...(reportedAfter !== undefined && { reportedAfter }),
      ...(hold !== undefined && { hold }),
      ...(platform !== undefined && { platform }),
      ...(vms.probesItself(vm) && { probesItself: true as const }),
    };
  }
}
