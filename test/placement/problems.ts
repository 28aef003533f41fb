/** Problems for tests: short to write, and arbitrary ones. */
import fc from 'fast-check';
import type { AffinityTerm, LabelSelector } from '../../api';
import type { PlacedVm, PlacementHost, PlacementProblem, PlacementVm } from '../../placement';

export const HOST = 'kubernetes.io/hostname';
export const ZONE = 'topology.kubernetes.io/zone';
export const GiB = 2 ** 30;

/** A selector from labels. */
export function selecting(matchLabels: Record<string, string>): LabelSelector {
  return { matchLabels, matchExpressions: [] };
}

/** A term; required, unless said otherwise. */
export function term(
  effect: AffinityTerm['effect'],
  topologyKey: AffinityTerm['topologyKey'],
  selector: LabelSelector | Record<string, string>,
  strength: AffinityTerm['strength'] = 'Required',
): AffinityTerm {
  const path = `spec.affinity.${effect}.${strength}.${topologyKey}`;
  const isSelector = 'matchExpressions' in selector && Array.isArray(selector.matchExpressions);
  return {
    effect,
    strength,
    topologyKey,
    selector: isSelector ? (selector as LabelSelector) : selecting(selector as Record<string, string>),
    path,
  };
}

/** A VM of the namespace `shop` that asks for one CPU and one GiB, unless said otherwise. */
export function vm(name: string, more: Partial<PlacementVm> = {}): PlacementVm {
  return {
    namespace: 'shop',
    name,
    uid: `uid-${name}`,
    labels: {},
    cpus: 1,
    memory: GiB,
    affinity: [],
    ...more,
  };
}

/** A VM with a place, `zone/host`. */
export function placedVm(name: string, at: string, more: Partial<PlacementVm> = {}): PlacedVm {
  const [zoneID = '', node] = at.split('/');
  return { ...vm(name, more), placement: { zoneID, ...(node !== undefined && { node }) } };
}

/** Hosts from `zone/host`, each with 8 CPUs and 32 GiB unless said otherwise. */
export function hosts(names: string[], cpus = 8, memory = 32 * GiB): PlacementHost[] {
  return names.map((text) => {
    const [zone = '', name = ''] = text.split('/');
    return { name, zone, pool: `${zone}-pool`, cpus, memory };
  });
}

/** A problem from its parts. */
export function problem(parts: Partial<PlacementProblem>): PlacementProblem {
  return { vms: [], placed: [], hosts: [], datastores: [], ...parts };
}

const key = fc.constantFrom('app', 'tier');
const value = fc.constantFrom('a', 'a', 'a', 'b', 'b', 'c');
const labels = fc.dictionary(key, value, { maxKeys: 2 });
const oneLabel = fc.dictionary(key, value, { minKeys: 1, maxKeys: 1 });
const expression = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.array(value, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({
    key,
    operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const),
    values: fc.constant<string[]>([]),
  }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      matchLabels: fc.oneof(oneLabel, oneLabel, labels),
      matchExpressions: fc.constant<LabelSelector['matchExpressions']>([]),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 2 }) }),
  },
);

function affinityOf(maxLength: number): fc.Arbitrary<AffinityTerm[]> {
  const one = fc.record({
    effect: fc.constantFrom('Affinity' as const, 'AntiAffinity' as const, 'AntiAffinity' as const),
    strength: fc.constantFrom('Required' as const, 'Preferred' as const),
    topologyKey: fc.constantFrom(HOST as AffinityTerm['topologyKey'], ZONE as AffinityTerm['topologyKey']),
    selector,
  });
  return fc
    .array(one, { maxLength })
    .map((terms) => terms.map((each, at) => ({ ...each, path: `spec.affinity[${at}]` })));
}

function gibibytes(...amounts: number[]): fc.Arbitrary<number> {
  return fc.constantFrom(...amounts.map((amount) => amount * GiB));
}

/** A value once in so many times, else undefined. */
function seldom<T>(oneIn: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/** Problems with everything that they can have: up to `vms` VMs, `most` hosts and a zone that hides its own. */
export function anyProblem(vms = 5, most = 4): fc.Arbitrary<PlacementProblem> {
  const zoneNames = ['zone-a', 'zone-b', 'zone-c'];
  const zone = fc.constantFrom('zone-a', 'zone-a', 'zone-b', 'zone-b', 'zone-c');
  const host = fc.record({ zone, cpus: fc.constantFrom(2, 4, 8), memory: gibibytes(2, 4, 8) });
  const need = fc.record({ cpus: fc.constantFrom(0, 1, 1, 2), memory: gibibytes(0, 1, 1, 2, 4) });
  const body = fc.record({
    namespace: fc.constantFrom('shop', 'shop', 'shop', 'shop', 'shop', 'lab'),
    labels: fc.oneof(oneLabel, oneLabel, labels),
    affinity: fc.oneof(affinityOf(1), affinityOf(1), affinityOf(2)),
    need,
    zone: seldom(9, zone),
  });
  const toVm = (
    {
      need: { cpus, memory },
      zone: pin,
      ...rest
    }: {
      namespace: string;
      labels: Record<string, string>;
      affinity: AffinityTerm[];
      need: { cpus: number; memory: number };
      zone: string | undefined;
    },
    name: string,
  ): PlacementVm => ({
    ...rest,
    name,
    uid: name,
    cpus,
    memory,
    ...(pin !== undefined && { zone: pin }),
  });
  return fc
    .record({
      vms: fc.array(body, { minLength: 1, maxLength: vms }),
      placed: fc.array(
        fc.record({
          body,
          zone: fc.constantFrom(...zoneNames, 'zone-x'),
          host: fc.constantFrom(0, 1, 2, 3, 4, undefined),
        }),
        { maxLength: 3 },
      ),
      hosts: fc.oneof(
        { weight: 9, arbitrary: fc.array(host, { minLength: 2, maxLength: most }) },
        { weight: 1, arbitrary: fc.array(host, { maxLength: 1 }) },
      ),
      hidden: seldom(4, fc.record({ cpus: fc.constantFrom(2, 4, undefined) })),
      datastores: seldom(
        6,
        fc.array(fc.record({ zones: fc.subarray(zoneNames), free: fc.constantFrom(0, 1, 2) }), {
          minLength: 1,
          maxLength: 3,
        }),
      ),
    })
    .map(({ vms: some, placed, hosts: machines, hidden, datastores }) => ({
      vms: some.map((each, at) => toVm(each, `vm-${at}`)),
      placed: placed.map(({ body: each, zone: zoneID, host }, at) => ({
        ...toVm(each, `placed-${at}`),
        placement: { zoneID, ...(host !== undefined && { node: `host-${host}` }) },
      })),
      hosts: machines.map((machine, at) => ({ name: `host-${at}`, ...machine })),
      zones: hidden
        ? [{ name: 'zone-h', ...(hidden.cpus !== undefined && { cpus: hidden.cpus, memory: 4 * GiB }) }]
        : [],
      datastores: (datastores ?? []).map(({ zones, free }, at) => ({
        name: `store-${at}`,
        zones: [...zones, 'zone-h'],
        free,
      })),
    }));
}
