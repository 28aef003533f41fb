/** How long the operations of VMs usually take, from past runs to the same power state. */
import { own } from '../../api';
import type { MemberKey, Plan } from '../../contract';
import { spread, type PastRun } from '../../insight';
import * as lazy from '../lazy';
import { pasts } from '../plan';
import type { RunningOptions } from './running';

/** Milliseconds that an operation usually takes, by name of the group and of the member. */
type DurationOf = (group: string, member: MemberKey) => number;

/**
 * Usual durations in the trees of some plans: of a VM by its own past operations, otherwise by those of its group. Takes the name of the driver;
 * undefined where nothing is known. Never rejects.
 */
export async function usualDurations(
  drivers: readonly Plan[],
  options: RunningOptions,
): Promise<((driver: string) => DurationOf | undefined) | undefined> {
  if (drivers.length === 0) return undefined;
  const trees = drivers.map((plan) => lazy.plans().plansOf(plan));
  const past = (await pasts().readPasts(trees.flat(), options)).values();
  const known = new Map<string, DurationOf>();
  for (const tree of trees) {
    const groups = new Map(tree.map(({ name }) => [name, operationTimes(past.next().value ?? [])]));
    const [driver] = tree;
    if (!driver || ![...groups.values()].some(({ all }) => all !== undefined)) continue;
    known.set(`${driver.namespace}/${driver.name}`, (group, member) => {
      const times = groups.get(group);
      return (times && own(times.members, member)) ?? times?.all ?? 0;
    });
  }
  return known.size === 0 ? undefined : (driver) => known.get(driver);
}

/** Medians, milliseconds: of the operations of each member, and of all of them. */
function operationTimes(runs: readonly PastRun[]): { members: Record<MemberKey, number>; all?: number } {
  const took = new Map<MemberKey, number[]>();
  for (const { spans } of runs) {
    for (const [member, [began, ended]] of Object.entries(spans))
      took.set(member, [...(took.get(member) ?? []), ended - began]);
  }
  const median = (times: number[]): number => spread(times)?.median ?? 0;
  const all = [...took.values()].flat();
  return {
    members: Object.fromEntries([...took].map(([member, times]) => [member, median(times)])),
    ...(all.length > 0 && { all: median(all) }),
  };
}
