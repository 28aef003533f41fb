/** The rules of DRS for affinity, without a server. */
import * as fc from 'fast-check';
import type { AffinityTerm } from '../../../api';
import { rulesFor, type RuleVm } from '../../../platforms/vsphere/placing/rules';
import { propertyRuns } from '../../support/property-runs';

const CALLER = 'vmgroup/prod/shop';

function term(effect: AffinityTerm['effect'], app: string): AffinityTerm {
  return {
    effect,
    strength: 'Required',
    topologyKey: 'kubernetes.io/hostname',
    path: `${effect}.${app}`,
    selector: { matchLabels: { app }, matchExpressions: [] },
  };
}

function ruleVm(number: number, app: string, affinity: readonly AffinityTerm[]): RuleVm {
  return { id: `vm-${number}`, cluster: 'c', namespace: 'prod', labels: { app }, affinity };
}

test('DRS-1: 2,000 VMs with one required affinity are one rule', () => {
  const affinity = [term('Affinity', 'web')];
  const vms = Array.from({ length: 2_000 }, (_, number) => ruleVm(number, 'web', affinity));
  const { rules, notes } = rulesFor(CALLER, vms);
  expect(rules.get('c')).toEqual([
    expect.objectContaining({ kind: 'Together', vms: vms.map(({ id }) => id).sort() }),
  ]);
  expect(notes.size).toBe(0);
});

/** The VMs that must be together, and the VMs of which an affinity contradicts an anti-affinity, by comparing each VM with each other one. */
function compared(vms: readonly RuleVm[]): { together: string[][]; contradicted: Set<string> } {
  const pairs = (effect: AffinityTerm['effect']): [string, string][] =>
    vms.flatMap((vm) =>
      vm.affinity
        .filter((each) => each.effect === effect)
        .flatMap(({ selector }) => vms.filter(({ labels }) => labels['app'] === selector.matchLabels['app']))
        .filter((other) => other !== vm)
        .map((other): [string, string] => [vm.id, other.id]),
    );
  const apart = pairs('AntiAffinity');
  let sets = vms.map(({ id }) => [id]);
  const contradicted = new Set<string>();
  for (const pair of pairs('Affinity')) {
    const joined = sets.filter((set) => pair.some((id) => set.includes(id))).flat();
    if (apart.some((ids) => ids.every((id) => joined.includes(id)))) contradicted.add(pair[0]);
    else sets = [...sets.filter((set) => !set.some((id) => joined.includes(id))), joined];
  }
  const together = sets.filter(({ length }) => length > 1).map((set) => [...set].sort());
  return { together: together.sort(), contradicted };
}

test('DRS-1, DRS-2: the rules are those of comparing each VM with each other one', () => {
  const app = fc.constantFrom('a', 'b', 'c', 'd');
  const affinity = fc.record({ effect: fc.constantFrom('Affinity' as const, 'AntiAffinity' as const), app });
  const vm = fc.record({ app, affinity: fc.array(affinity, { maxLength: 2 }) });
  fc.assert(
    fc.property(fc.array(vm, { maxLength: 8 }), (given) => {
      const vms = given.map((each, number) =>
        ruleVm(
          number,
          each.app,
          each.affinity.map((one) => term(one.effect, one.app)),
        ),
      );
      const { rules, notes } = rulesFor(CALLER, vms);
      const together = (rules.get('c') ?? []).filter(({ kind }) => kind === 'Together');
      expect({
        together: together.map((rule) => [...rule.vms]).sort(),
        contradicted: new Set(notes.keys()),
      }).toEqual(compared(vms));
    }),
    { numRuns: propertyRuns(500) },
  );
});
