/**
 * The source `kubernetes`: desired state as objects on an API server.
 *
 * SOURCE-1: nothing is missed and nothing ends it (CACHE-1 and CACHE-2). It reads the present state, not events.
 * SOURCE-2: an object that is not valid changes nothing: its last valid form stays in force for as long as this process lives. Without one, its
 *     problem is reported, and nothing else is done with it.
 * SOURCE-3: a change costs the work of its namespace, however many namespaces there are, and is reported as a change of the groups that it
 *     concerns.
 * SOURCE-4: it says that it may be behind while a watch is not open, also one that was never open.
 *
 * An object that is being deleted counts as deleted; a group is then one of those that are leaving, until it is gone.
 */
import type { Manifests, Problem } from '../../../api';
import { isBeingDeleted, type KubernetesObject } from '../../../kubernetes';
import { emptyIndex, withNamespace, type ManifestIndex, type ObjectKey } from '../../manifests';
import type { Source, SourceState, UnusableGroup } from '../../source';
import type { ClusterObjects, Objects } from '../objects';
import { NamespaceObjects, NO_MANIFESTS } from './namespace-objects';
import { WorkPace } from './work-pace';

/** A {@link Source} that can tell the objects of one namespace. */
export interface KubernetesSource extends Source {
  /** The valid objects of a namespace, for admission. */
  known(namespace: string): Manifests;
}

/** Milliseconds in which changes are gathered. */
const GATHER = 2;
/** Milliseconds without contact after which the source says that it may be behind. */
const PATIENCE = 10_000;

const KINDS = ['VirtualMachineGroup', 'VirtualMachine', 'VirtualMachineClass', 'SequencePolicy'] as const;
type SourceKind = (typeof KINDS)[number];

/**
 * Makes a source of the objects of a cluster. `start` resolves once everything is listed. `isCompanion`: VM Operator's group controller acts on groups
 * too, so annotations tell vmgroup what to do.
 */
export function kubernetesSource(objects: ClusterObjects, isCompanion = false): KubernetesSource {
  return new ClusterSource(objects, isCompanion);
}

/** Why the source may be behind. `since`: milliseconds since the epoch. */
function lostWatch(since: number, why: string): string {
  return `lost the watch on the API server at ${new Date(since).toISOString()}: ${why}`;
}

class ClusterSource implements KubernetesSource {
  readonly listsAllGroups = true;
  readonly #objects: ClusterObjects;
  readonly #caches: Record<SourceKind, Objects>;
  readonly #namespaces = new Map<string, NamespaceObjects>();
  /** Namespaces with changes that are not reported yet, and groups that began or ended to be deleted. */
  readonly #changed = new Set<string>();
  #leavingChanged = new Set<ObjectKey>();
  /** Groups that are being deleted. */
  readonly #leaving = new Set<ObjectKey>();
  readonly #pace = new WorkPace();
  #index: ManifestIndex = emptyIndex();
  #problems: readonly Problem[] = [];
  #unusable: ReadonlyMap<ObjectKey, UnusableGroup> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => void)[] = [];
  #onChange: (state: SourceState) => void = () => undefined;
  #started = false;
  #stopped = false;
  /** Since when a watch is not open, milliseconds since the epoch. */
  #brokenSince: number | undefined;

  readonly #isCompanion: boolean;

  constructor(objects: ClusterObjects, isCompanion: boolean) {
    this.#objects = objects;
    this.#isCompanion = isCompanion;
    this.#caches = {
      VirtualMachineGroup: objects.groups,
      VirtualMachine: objects.machines,
      VirtualMachineClass: objects.classes,
      SequencePolicy: objects.policies,
    };
  }

  async start(onChange: (state: SourceState) => void): Promise<void> {
    this.#onChange = onChange;
    for (const kind of KINDS) {
      const cache = this.#caches[kind];
      this.#stopListening.push(
        cache.onChange(({ key, object }) => this.#put(kind, key, object)),
        cache.onLive(() => this.#noteLive()),
      );
      for (const [key, object] of cache.entries()) this.#put(kind, key, object);
    }
    await Promise.all(KINDS.map((kind) => this.#caches[kind].synced()));
    if (this.#stopped) return;
    // A watch that was never open yet does not change.
    this.#noteLive();
    this.#settle();
    this.#leavingChanged.clear();
    this.#started = true;
    this.#report();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stopListening) stop();
    await this.#objects.stop();
  }

  known(namespace: string): Manifests {
    return this.#namespaces.get(namespace)?.manifests ?? NO_MANIFESTS;
  }

  trouble(): string | undefined {
    if (this.#brokenSince === undefined || Date.now() - this.#brokenSince < PATIENCE) return undefined;
    const error = KINDS.map((kind) => this.#caches[kind].error).find((each) => each !== undefined);
    return lostWatch(this.#brokenSince, error instanceof Error ? error.message : 'a watch is not open');
  }

  #noteLive(): void {
    const live = KINDS.every((kind) => this.#caches[kind].live);
    this.#brokenSince = live ? undefined : (this.#brokenSince ?? Date.now());
  }

  #put(kind: SourceKind, key: ObjectKey, object: KubernetesObject | undefined): void {
    const [namespace = '', name = ''] = key.split('/');
    if (kind === 'VirtualMachineGroup') this.#noteLeaving(key, object);
    const present = object && !isBeingDeleted(object) ? object : undefined;
    const objects = this.#namespaces.get(namespace) ?? new NamespaceObjects(this.#isCompanion);
    if (objects.put({ kind, namespace, name }, present)) {
      this.#namespaces.set(namespace, objects);
      this.#changed.add(namespace);
    }
    this.#schedule();
  }

  #noteLeaving(key: ObjectKey, object: KubernetesObject | undefined): void {
    if (object && isBeingDeleted(object)) {
      this.#leaving.add(key);
      this.#leavingChanged.add(key);
    } else if (this.#leaving.delete(key)) this.#leavingChanged.add(key);
  }

  #schedule(): void {
    if (!this.#started || this.#stopped || this.#timer) return;
    if (this.#changed.size === 0 && this.#leavingChanged.size === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#work();
      },
      Math.max(GATHER, this.#pace.wait(performance.now())),
    );
  }

  /** Reads what has changed and reports it. */
  #work(): void {
    const begun = performance.now();
    const concerned = this.#leavingChanged;
    this.#leavingChanged = new Set();
    for (const key of this.#settle()) concerned.add(key);
    this.#report(concerned);
    this.#pace.worked(begun, performance.now());
  }

  /** Takes the changes of all namespaces in; returns the groups that they concern. */
  #settle(): Set<ObjectKey> {
    const allConcerned = new Set<ObjectKey>();
    let anyProblemsChanged = false;
    for (const namespace of this.#changed) {
      const objects = this.#namespaces.get(namespace) ?? new NamespaceObjects(this.#isCompanion);
      const { manifestsBefore, concerned, problemsChanged } = objects.settle();
      this.#index = withNamespace(this.#index, manifestsBefore, objects.manifests);
      for (const key of concerned) allConcerned.add(key);
      anyProblemsChanged ||= problemsChanged;
      if (objects.isEmpty) this.#namespaces.delete(namespace);
    }
    this.#changed.clear();
    const all = [...this.#namespaces.values()];
    // The list stays the same one while nothing of it changes.
    if (anyProblemsChanged) this.#problems = all.flatMap(({ problems }) => problems);
    this.#unusable = new Map(all.flatMap(({ unusable }) => [...unusable]));
    return allConcerned;
  }

  /** `changed` absent: all groups. */
  #report(changed?: ReadonlySet<ObjectKey>): void {
    if (this.#stopped || changed?.size === 0) return;
    this.#onChange({
      index: this.#index,
      problems: this.#problems,
      unusable: this.#unusable,
      leaving: this.#leaving,
      readAt: Date.now(),
      ...(changed && { changed }),
    });
  }
}
