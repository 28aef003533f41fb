/** Views of groups that change. */
import type { GroupView } from '../../bridge';

/** Groups that are followed. */
export interface ViewFeed {
  views(): Promise<GroupView[]>;
  /** Resolves when the views may have changed, and when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
