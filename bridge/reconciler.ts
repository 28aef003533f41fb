/**
 * One pass over one tree: what is known is gathered, {@link stepsOf} decides what to send, the executor sends it, and {@link viewsOf} decides
 * what is shown. What fails does not keep the rest from being done.
 */
import pMap from 'p-map';
import { asError } from '../api/unknown';
import type { Group, ObjectName } from '../api';
import { CONCURRENCY, type Executor, type ShownViews } from './execute';
import {
  contestOf,
  objectKey,
  splitKey,
  topOf,
  treeOf,
  type ManifestIndex,
  type ObjectKey,
} from './manifests';
import type { DesiredState, GroupMemory, TreeObserver } from './observed';
import { dueLookUps, returnIn, stepsOf, viewsOf, type TreeFacts, type TreeSteps } from './pass';
import type { UnusableGroup } from './source';
import { unusableView } from './status';

/** What {@link Reconciler} works with. */
export interface ReconcilerOptions {
  desired: DesiredState;
  memory: GroupMemory;
  observer: TreeObserver;
  executor: Executor;
  views: ShownViews;
  /** Whether this process may send and write now. */
  mayAct: () => boolean;
  /** Asks for a pass over the tree of a group, after so many milliseconds. */
  again: (group: ObjectName, delay: number) => void;
  /** Called with the milliseconds for which a pass kept the thread. */
  onThought: (time: number) => void;
}

/** Passes over trees. */
export class Reconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Reconciles the tree of a topmost group, or a group that no longer exists. Rejects with the first of its errors. */
  async reconcile(key: ObjectKey): Promise<void> {
    const { desired, mayAct, again } = this.#options;
    if (!mayAct()) return;
    const { index } = desired;
    const group = desired.group(key);
    if (!group) {
      const unusable = desired.unusable(key);
      return unusable ? this.#showUnusable(unusable) : this.#remove(key);
    }
    const top = topOf(index, group);
    if (top !== group) return again(top, 0);
    await this.#reconcileTree(index, treeOf(index, top));
  }

  async #reconcileTree(index: ManifestIndex, tree: Group[]): Promise<void> {
    const { observer, executor, memory, mayAct } = this.#options;
    const attempts = new Attempts(mayAct);
    await attempts.make(() =>
      executor.lookUpRuns(dueLookUps(index, tree, observer.groups(index, tree), memory.lookedUpFor)),
    );
    const claimed = new Set<Group>();
    const claim = async (group: Group): Promise<void> => {
      if (await executor.claim(group)) claimed.add(group);
    };
    await pMap(tree, (group) => attempts.make(() => claim(group)), { concurrency: CONCURRENCY });
    const watch = new StopWatch();
    const steps = watch.time(() => stepsOf(observer.tree(index, tree), claimed));
    if (mayAct()) dropUndriven(memory.requests, tree, steps);
    for (const step of steps.drivers) await attempts.make(() => executor.drive(step));
    for (const group of steps.undriven) {
      const why = contestOf(index, group) ?? 'the group no longer has a power state';
      await attempts.make(() => executor.withdraw(group, why));
    }
    for (const group of tree) await attempts.make(() => executor.reportPauses(group));
    if (!mayAct()) return;
    const facts = observer.tree(index, tree);
    watch.time(() => this.#show(facts, steps));
    this.#options.onThought(watch.total);
    for (const step of steps.drivers) await attempts.make(() => executor.cleanUp(step));
    await attempts.make(() => executor.reportEnds(facts));
    await attempts.make(() => executor.mark(facts, steps));
    for (const group of tree) if (!observer.isRunning(group)) this.#options.desired.settle(objectKey(group));
    const delay = returnIn(facts, steps);
    const [top] = tree;
    if (top && delay !== undefined) this.#options.again(top, delay);
    attempts.end();
  }

  #show(facts: TreeFacts, steps: TreeSteps): void {
    for (const view of viewsOf(facts, steps)) this.#options.views.show(view);
  }

  /** The group is not touched, and what was observed of its members stays. */
  #showUnusable(group: UnusableGroup): void {
    const { desired, views } = this.#options;
    const key = objectKey(group);
    const previous = views.get(key);
    const problems = desired.problemsOf(key);
    views.show(unusableView({ group, problems, ...(previous && { previous }), now: Date.now() }));
  }

  async #remove(key: ObjectKey): Promise<void> {
    const { desired, executor, observer, views } = this.#options;
    const group = splitKey(key);
    if (!(await executor.release(group, () => desired.exists(key)))) return;
    views.remove(group);
    if (!observer.isRunning(group)) desired.settle(key);
  }
}

/** Requests wait for their driver: a group that has ceased to be one will send none. */
function dropUndriven(
  requests: GroupMemory['requests'],
  tree: readonly Group[],
  { drivers }: TreeSteps,
): void {
  const driving = new Set(drivers.map(({ driver }) => driver));
  for (const group of tree) {
    if (driving.has(group)) continue;
    requests.drop(objectKey(group), `group ${group.namespace}/${group.name} no longer has a run of its own`);
  }
}

/** Does things one after the other as long as they may be done, whatever fails. */
class Attempts {
  readonly #mayAct: () => boolean;
  readonly #errors: unknown[] = [];

  constructor(mayAct: () => boolean) {
    this.#mayAct = mayAct;
  }

  async make(work: () => Promise<void>): Promise<void> {
    if (this.#mayAct()) await work().catch((error: unknown) => void this.#errors.push(error));
  }

  /** @throws the first error. */
  end(): void {
    const [first] = this.#errors;
    if (first !== undefined) throw asError(first);
  }
}

/** Adds up the milliseconds of synchronous work. */
class StopWatch {
  total = 0;

  time<T>(work: () => T): T {
    const began = performance.now();
    const result = work();
    this.total += performance.now() - began;
    return result;
  }
}
