/** Where desired state is read and watched. */
import type { Manifests, Problem } from '../api';

/** What a source knows at one moment. */
export interface SourceState {
  /** The last valid form of every object. */
  manifests: Manifests;
  /** Everything that is wrong now. An object with an error is in `manifests` in its last valid form, or not at all if it has none. */
  problems: Problem[];
  /** Milliseconds since the epoch. */
  readAt: number;
}

/** A source of desired state. */
export interface Source {
  /** Reads everything, calls back with it, resolves; then calls back with each change. Rejects where nothing can be read at all. */
  start(onChange: (state: SourceState) => void): Promise<void>;
  /** Stops watching. After it resolved nothing is called back. */
  stop(): Promise<void>;
}
