/** What a source's objects carry of the groups that they belong to; a folder's manifests carry nothing. */
import type { Group, ObjectName, PowerState } from '../api';
import type { ResolvedTier } from './plans';

/** Marks objects as belonging to a group, and takes the marks off. Everything may be asked again; what is there already costs nothing. */
export interface Ownership {
  /**
   * Makes sure that the group cannot go without {@link Ownership.release}. False where that is not so, because the group is being deleted, or
   * because another process has to see to it: then no run of it may be started. Another pass follows once it is so.
   */
  claim(group: Group): Promise<boolean>;
  /** A nested group that its parent's run has come to gets the parent's power state, so that what stands in it is what it does. */
  inherit(group: Group, powerState: PowerState): Promise<void>;
  /** Marks the group as ours to clean up after, and its linked members as its own; those that have left lose the mark. */
  own(group: Group, tiers: readonly ResolvedTier[]): Promise<void>;
  /** The group is gone or on its way out, and its run was told: its members are treated as its policy says, and it may go. */
  release(group: ObjectName): Promise<void>;
}
