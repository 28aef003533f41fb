/** Requests for a force sync. Pure. */
import type { Group } from '../../api';

/** Identifies a force sync; undefined: none is requested. `now` stays in a manifest until it is removed, so it counts once a revision. */
export function forceSyncToken(group: Group): string | undefined {
  const value = group.nextForcePowerStateSyncTime;
  if (value === undefined || value === '') return undefined;
  return value.toLowerCase() === 'now' ? `now@${group.revision}` : value;
}
