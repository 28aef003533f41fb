/** The order in which HA restarts VMs of a cluster, from its rules between VM groups. Pure. */
import type { ExistingOrder, ExistingTier } from '../../existing';
import { child, childrenOf, managedObject, textOf, type XmlElement } from '../soap';
import { durationIn, seconds } from './tiers';

type Gate = ExistingTier['gate'];

/** What has to be reached, by `readyCondition`. */
const GATES: ReadonlyMap<string, Gate> = new Map<string, Gate>([
  ['none', 'None'],
  ['poweredOn', 'PoweredOn'],
  ['guestHbStatusGreen', 'Ready'],
  ['appHbStatusGreen', 'Ready'],
]);
/** Gates from the weakest. */
const STRENGTH: readonly Gate[] = ['None', 'PoweredOn', 'Ready'];

interface Rule {
  first: string;
  then: string;
}

/** One order for each set of groups that rules connect, from `configurationEx` of a cluster. */
export function dependencyOrders(
  cluster: string,
  config: XmlElement | undefined,
  nameOf: (vm: string) => string,
): ExistingOrder[] {
  const groups = new Map(
    childrenOf(config, 'group')
      .filter(({ type }) => type === 'ClusterVmGroup')
      .map((group) => [textOf(group, 'name') ?? '', vmsIn(group)]),
  );
  const rules = childrenOf(config, 'rule')
    .filter((rule) => rule.type === 'ClusterDependencyRuleInfo' && textOf(rule, 'enabled') !== 'false')
    .map((rule) => ({ first: textOf(rule, 'dependsOnVmGroup') ?? '', then: textOf(rule, 'vmGroup') ?? '' }))
    .filter(({ first, then }) => groups.has(first) && groups.has(then));
  return connected(rules).map((together) => orderOf(cluster, together, { groups, config, nameOf }));
}

interface Context {
  groups: ReadonlyMap<string, readonly string[]>;
  config: XmlElement | undefined;
  nameOf: (vm: string) => string;
}

function orderOf(
  cluster: string,
  rules: readonly Rule[],
  { groups, config, nameOf }: Context,
): ExistingOrder {
  const notes: string[] = [];
  const levels = levelsOf(rules, notes);
  const levelOfVm = new Map<string, number>();
  for (const [group, level] of levels) {
    for (const vm of groups.get(group) ?? []) levelOfVm.set(vm, Math.max(level, levelOfVm.get(vm) ?? 0));
  }
  const readiness = readinessOf(config);
  const numbers = [...new Set(levelOfVm.values())].sort((a, b) => a - b);
  const tiers = numbers.map((number): ExistingTier => {
    const vms = [...levelOfVm].filter(([, level]) => level === number).map(([vm]) => vm);
    return { members: vms.map((vm) => ({ vm })), ...strictest(vms, readiness, nameOf, notes) };
  });
  return { what: 'HA orchestration of cluster', name: cluster, tiers, notes };
}

interface Readiness {
  condition: string;
  delay: number;
}

/** What is waited for of each VM. */
function readinessOf(config: XmlElement | undefined): (vm: string) => Readiness {
  const standard = child(child(config, 'orchestration'), 'defaultVmReadiness');
  const own = new Map(
    childrenOf(config, 'vmOrchestration').map((each) => [
      textOf(each, 'vm') ?? '',
      child(each, 'vmReadiness'),
    ]),
  );
  const byDefault = {
    condition: textOf(standard, 'readyCondition') ?? 'none',
    delay: Math.max(0, durationIn(standard, 'postReadyDelay') ?? 0),
  };
  return (vm) => {
    const condition = textOf(own.get(vm), 'readyCondition') ?? 'useClusterDefault';
    const delay = durationIn(own.get(vm), 'postReadyDelay') ?? -1;
    return {
      condition: condition === 'useClusterDefault' ? byDefault.condition : condition,
      delay: delay < 0 ? byDefault.delay : delay,
    };
  };
}

/** The strictest gate and the longest delay of VMs that start together. */
function strictest(
  vms: readonly string[],
  readiness: (vm: string) => Readiness,
  nameOf: (vm: string) => string,
  notes: string[],
): { gate: Gate; delay: number } {
  const each = vms.map((vm) => ({ vm, ...readiness(vm) }));
  const gates = each.map(({ condition }) => GATES.get(condition) ?? 'PoweredOn');
  const delay = Math.max(0, ...each.map((one) => one.delay));
  const names = vms.map(nameOf).join(', ');
  if (new Set(gates).size > 1)
    notes.push(`different conditions hold for ${names}, which start together; the strictest is kept`);
  if (new Set(each.map((one) => one.delay)).size > 1)
    notes.push(
      `different delays follow ${names}, which start together; the longest, ${seconds(delay)}, is kept`,
    );
  const app = each.filter(({ condition }) => condition === 'appHbStatusGreen').map(({ vm }) => nameOf(vm));
  if (app.length > 0)
    notes.push(
      `the application heartbeat of ${app.join(', ')} is not seen: gate Ready waits for VMware Tools`,
    );
  const gate = STRENGTH.findLast((one) => gates.includes(one)) ?? 'PoweredOn';
  return { gate, delay };
}

function vmsIn(group: XmlElement): string[] {
  return childrenOf(group, 'vm').flatMap((vm) => managedObject(vm)?.id ?? []);
}

/** Rules that have groups in common, together. */
function connected(rules: readonly Rule[]): Rule[][] {
  const left = new Set(rules);
  const sets: Rule[][] = [];
  for (const start of rules) {
    if (!left.delete(start)) continue;
    const together = [start];
    // Grows while it is walked.
    for (const rule of together) {
      const near = [...left].filter((each) =>
        [each.first, each.then].some((group) => group === rule.first || group === rule.then),
      );
      for (const each of near) left.delete(each);
      together.push(...near);
    }
    sets.push(together);
  }
  return sets;
}

/** Level of each group: one after the last that it depends on. Groups that depend on each other are left out. */
function levelsOf(rules: readonly Rule[], notes: string[]): Map<string, number> {
  const levels = new Map<string, number>();
  const groups = new Set(rules.flatMap(({ first, then }) => [first, then]));
  for (let progress = true; progress;) {
    progress = false;
    for (const group of groups) {
      if (levels.has(group)) continue;
      const before = rules.filter(({ then }) => then === group).map(({ first }) => levels.get(first));
      if (before.includes(undefined)) continue;
      levels.set(group, 1 + Math.max(-1, ...before.map((level) => level ?? 0)));
      progress = true;
    }
  }
  const circular = [...groups].filter((group) => !levels.has(group));
  if (circular.length > 0)
    notes.push(`the groups ${circular.join(', ')} depend on each other, and are left out`);
  return levels;
}
