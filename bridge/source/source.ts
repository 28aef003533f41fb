/** Where desired state is read and watched. */
import type { ObjectName, Problem } from '../../api';
import type { ManifestIndex, ObjectKey } from '../manifests';

/** A group that exists without a valid form: the bridge reports it and does nothing else with it. */
export interface UnusableGroup extends ObjectName {
  uid: string;
  generation: number;
}

/** What a source knows at one moment. */
export interface SourceState {
  /** The last valid form of every object. */
  index: ManifestIndex;
  /** Everything that is wrong now. An object with an error is in `index` in its last valid form, or absent if it has none. */
  problems: readonly Problem[];
  /** Groups without a valid form, if the source knows of them. */
  unusable?: ReadonlyMap<ObjectKey, UnusableGroup>;
  /** Groups that are being deleted and still exist: they are released once their runs were notified. */
  leaving?: ReadonlySet<ObjectKey>;
  /** Milliseconds since the epoch. */
  readAt: number;
  /** Groups that changed with this state, including deleted ones; absent: any group may have changed. */
  changed?: ReadonlySet<ObjectKey>;
}

/** A source of desired state. */
export interface Source {
  /** Its states list every group that exists, in `index` or in `unusable`: a group that an object names and that is in neither does not exist. */
  readonly listsAllGroups?: boolean;
  /** Reads everything, calls back with it, resolves; then calls back with each change. Rejects if nothing can be read at all. */
  start(onChange: (state: SourceState) => void): Promise<void>;
  /** Why the source may be behind; undefined: it is up to date. */
  trouble?(): string | undefined;
  /** Stops watching. No callback comes after it has resolved. */
  stop(): Promise<void>;
}
