/** Marks that a source's objects carry of the groups that they belong to. The manifests of a folder carry none. */
import type { Group, ObjectName, PowerState } from '../api';
import type { ResolvedTier } from './plans';

/** Sets and removes the marks. Each call may be repeated; a mark that is there already costs nothing. */
export interface Ownership {
  /**
   * Makes sure that the group cannot be deleted before {@link Ownership.release}. Resolves to false if that is not so yet, because the group is
   * being deleted or another process has to set the mark: then no run of it may start. Another pass follows once it is so.
   */
  claim(group: Group): Promise<boolean>;
  /** Sets the power state of a nested group to its parent's, once the parent's run has reached it: its spec says what it does. */
  inherit(group: Group, powerState: PowerState): Promise<void>;
  /** Marks the group's linked members as its own, and removes the mark from those that have left. */
  own(group: Group, tiers: readonly ResolvedTier[]): Promise<void>;
  /** The group is deleted or being deleted, and its run was withdrawn: handles its members as its policy says, and lets it go. */
  release(group: ObjectName): Promise<void>;
}
