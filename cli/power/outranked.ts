/** The error for a group whose own power state does not count. */
import type { ObjectName, PowerState } from '../../api';
import { CliError } from '../errors';

const VERB: Record<PowerState, string> = { PoweredOn: 'on', PoweredOff: 'off', Suspended: 'suspend' };

/** What outranks a group, and how to remove it. */
export interface Outranking {
  /** The topmost group above with a power state. */
  above: { name: string; powerState?: string | undefined };
  /** What it does to the group, and to a change of it. */
  effect: string;
  /** How `spec.groupName` of the group is removed. */
  removal: string;
  /** Flags that lead further commands to the same cluster, each after a blank. */
  flags?: string;
}

/** The error for a group that was to get a power state of its own. */
export function outranked(
  { namespace, name: own }: ObjectName,
  powerState: PowerState,
  { above: { name: top, powerState: outranking }, effect, removal, flags = '' }: Outranking,
): CliError {
  const name = `${namespace}/${own}`;
  const above = `${namespace}/${top}`;
  return new CliError(`${name} is in ${above}, whose power state ${outranking} ${effect}`, [
    `change all of ${above}: vmgroup power ${VERB[powerState]} ${above}${flags}`,
    `or change this group alone: first remove its spec.groupName, ${removal}`,
    ...(powerState === outranking
      ? [
          `or, if its members are not in that state, request a run: vmgroup retry ${name} --reason TEXT${flags}`,
        ]
      : []),
  ]);
}
