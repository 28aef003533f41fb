/** Where desired state is read and watched. */
import type { Problem } from '../../api';
import type { ManifestIndex, ObjectKey } from '../manifests';

/** A group that exists and has no valid form: nothing is done with it but to say so. */
export interface UnusableGroup {
  namespace: string;
  name: string;
  uid: string;
  generation: number;
}

/** What a source knows at one moment. */
export interface SourceState {
  /** The last valid form of every object. */
  index: ManifestIndex;
  /** Everything that is wrong now. An object with an error is in `index` in its last valid form, or not at all if it has none. */
  problems: readonly Problem[];
  /** Groups of which no valid form is known, where the source can tell. */
  unusable?: ReadonlyMap<ObjectKey, UnusableGroup>;
  /** Groups that are being deleted and are still there: they may go once their runs were told. */
  leaving?: ReadonlySet<ObjectKey>;
  /** Milliseconds since the epoch. */
  readAt: number;
  /** Groups about which this state says something new, also those that are gone; absent: it may be about any. */
  changed?: ReadonlySet<ObjectKey>;
}

/** A source of desired state. */
export interface Source {
  /** Its states list every group there is, in `index` or in `unusable`: a group that some object names and that is in neither does not exist. */
  readonly listsAllGroups?: boolean;
  /** Reads everything, calls back with it, resolves; then calls back with each change. Rejects where nothing can be read at all. */
  start(onChange: (state: SourceState) => void): Promise<void>;
  /** Why the source may be behind; undefined: it is up to date. */
  trouble?(): string | undefined;
  /** Stops watching. After it resolved nothing is called back. */
  stop(): Promise<void>;
}
