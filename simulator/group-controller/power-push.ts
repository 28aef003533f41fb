/** When VM Operator's group controller writes the power state of a group to its members, and with which times. Pure. */
import { APPLY_TIME, LAST_UPDATED } from '../../platforms/vm-operator';
import { isSameMember, type Listed, type ReadGroup } from './shape';

/** A push of a group's power state to its members. */
export interface Push {
  /** The earliest time at which the member's power state applies, milliseconds since the epoch; undefined: at once, no time is written. */
  applyAt(member: Listed): number | undefined;
}

/**
 * The push that is due; undefined: none. It is due until one was made without an error of any member, later than the power state was set.
 *
 * @throws Error if an annotation is not a time.
 */
export function duePush(group: ReadGroup): Push | undefined {
  const { powerState, bootOrder } = group.spec;
  if (!powerState) return undefined;
  const { annotations = {} } = group.object.metadata;
  const setAt = timeIn(annotations, LAST_UPDATED) ?? 0;
  const pushedAt = Date.parse(group.lastUpdatedPowerStateTime ?? '');
  if (pushedAt > setAt) return undefined;
  if (powerState === 'Suspended') return { applyAt: () => undefined };
  const isOn = powerState === 'PoweredOn';
  let at = timeIn(annotations, APPLY_TIME) ?? setAt;
  const times: { member: Listed; at: number }[] = [];
  for (const boot of isOn ? bootOrder : [...bootOrder].reverse()) {
    at += isOn ? boot.powerOnDelay : boot.powerOffDelay;
    for (const member of boot.members) times.push({ member, at });
  }
  return { applyAt: (member) => times.find((each) => isSameMember(each.member, member))?.at };
}

/** The patch that the push makes of a member. An empty mode of the group empties that of the member. */
export function pushPatch(
  { spec }: ReadGroup,
  push: Push,
  member: Listed,
): { spec: object; metadata?: object } {
  const at = push.applyAt(member);
  const { powerState, powerOffMode = null, suspendMode = null } = spec;
  return {
    spec: { powerState, powerOffMode, suspendMode },
    ...(at !== undefined && { metadata: { annotations: { [APPLY_TIME]: new Date(at).toISOString() } } }),
  };
}

function timeIn(annotations: Record<string, string>, key: string): number | undefined {
  const text = new Map(Object.entries(annotations)).get(key);
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new Error(`annotation ${key}: ${JSON.stringify(text)} is not a time`);
  return time;
}

/** What the mutating webhook makes of a change of a group; undefined: nothing. */
export function webhookPatch(
  group: ReadGroup,
  before: { powerState?: string | undefined; applyTime?: string | undefined } | undefined,
  now: number,
): object | undefined {
  const { annotations = {} } = group.object.metadata;
  const { powerState, nextForcePowerStateSyncTime: sync } = group.spec;
  const isForced = sync?.toLowerCase() === 'now';
  const isSet = before
    ? before.powerState !== powerState
    : powerState !== undefined && !(LAST_UPDATED in annotations);
  if (!isForced && !isSet) return undefined;
  const time = new Date(now).toISOString();
  const applyTime = new Map(Object.entries(annotations)).get(APPLY_TIME);
  const isStale = before !== undefined && applyTime !== undefined && before.applyTime === applyTime;
  return {
    metadata: { annotations: { [LAST_UPDATED]: time, ...(isStale && { [APPLY_TIME]: null }) } },
    ...(isForced && { spec: { nextForcePowerStateSyncTime: time } }),
  };
}
