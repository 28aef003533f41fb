/** The views of groups as they were shown last. */
import type { ObjectName } from '../../api';
import { viewEvents } from '../events';
import { objectKey, type ObjectKey } from '../manifests';
import type { GroupView, StatusStore } from '../status';
import type { Announce } from './announcer';

/** What {@link ShownViews} needs. */
export interface ShownViewsOptions {
  store: StatusStore;
  announce: Announce;
  /** Called with each view that changed; undefined: the group was deleted. */
  onView?: (group: ObjectName, view: GroupView | undefined) => void;
}

/** Shows views: writes them to the store, and reports what changed. */
export class ShownViews {
  readonly #options: ShownViewsOptions;
  readonly #views = new Map<ObjectKey, GroupView>();

  constructor(options: ShownViewsOptions) {
    this.#options = options;
  }

  /** Takes over the views that this or another process wrote, and returns them. Rejects if the store cannot be read. */
  async load(): Promise<GroupView[]> {
    const loaded = await this.#options.store.load();
    for (const view of loaded) this.#views.set(objectKey(view.metadata), view);
    return loaded;
  }

  get(key: ObjectKey): GroupView | undefined {
    return this.#views.get(key);
  }

  keys(): ObjectKey[] {
    return [...this.#views.keys()];
  }

  /** All views, by namespace and name. */
  all(): GroupView[] {
    return [...this.#views.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, view]) => view);
  }

  show(view: GroupView): void {
    const { store, announce, onView } = this.#options;
    const key = objectKey(view.metadata);
    const before = this.#views.get(key);
    this.#views.set(key, view);
    store.save(view);
    if (before && JSON.stringify(before) === JSON.stringify(view)) return;
    for (const happening of viewEvents(before, view)) announce(happening);
    onView?.(view.metadata, view);
  }

  /** The group was deleted. */
  remove(group: ObjectName): void {
    this.#options.store.remove(group);
    if (this.#views.delete(objectKey(group))) this.#options.onView?.(group, undefined);
  }

  /** Another process writes: the store forgets what this one wrote. */
  stepDown(): void {
    for (const { metadata } of this.#views.values()) this.#options.store.remove(metadata);
  }

  /** Resolves once everything is written. */
  flush(): Promise<void> {
    return this.#options.store.flush();
  }
}
