/** Places on the simulated platform: the solver's answers, and the check that each has to pass. */
import { DEFAULT_INVENTORY, type AffinityTerm, type SimulatedHost } from '../../api';
import type { PlacementRequest } from '../../contract';
import { SimulatedPlatform, type PlaceCall } from '../../platforms/simulated';
import { startSimulator } from '../../simulator';
import { mistakes } from '../../placement';
import { apply, emptyState, placementProblem, placementVm, type EngineState } from '../../simulator/engine';
import { GIB, inventory, placement, placeNow, withFolder } from './fixtures';

const HOST = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';

function rule(
  effect: AffinityTerm['effect'],
  topologyKey: AffinityTerm['topologyKey'],
  matchLabels: Record<string, string>,
): AffinityTerm {
  const selector = { matchLabels, matchExpressions: [] };
  return { effect, strength: 'Required', topologyKey, selector, path: `${effect} over ${topologyKey}` };
}

/** Hosts from `zone/host`. */
function hosts(names: string[], cpus = 8, memory = 32 * GIB): SimulatedHost[] {
  return names.map((text) => {
    const [zone = '', name = ''] = text.split('/');
    return { name, zone, pool: `${zone}-pool`, cpus, memory };
  });
}

function platformWith(names: string[], cpus?: number): EngineState {
  const state = emptyState();
  const made = inventory({}, hosts(names, cpus));
  apply(state, { type: 'inventory', at: 1, caller: 'test', inventory: made });
  return state;
}

function asks(name: string, labels: Record<string, string>, ...affinity: AffinityTerm[]): PlacementRequest {
  return placement(name, { labels, affinity });
}

/** The answer as `name=host`, or why there is none. */
function place(state: EngineState, requests: PlacementRequest[], beside: PlacementRequest[] = []): string {
  const call = placeNow(state, requests, { caller: 'test', beside }, 2);
  apply(state, JSON.parse(JSON.stringify(call)) as PlaceCall);
  if (call.answer === 'Refused') return `${call.class}: ${call.message}`;
  return call.vms.map(({ vm, placement }) => `${vm.slice(5)}=${placement?.node}`).join(' ');
}

test('ENGINE-3: rules bind VMs placed together, and those that come later, in both directions', () => {
  const state = platformWith(['zone-a/a', 'zone-b/b']);
  const apart = rule('AntiAffinity', HOST, { app: 'web' });
  const together = rule('Affinity', HOST, { app: 'web' });
  expect(place(state, [asks('web-1', { app: 'web' }, apart), asks('web-2', { app: 'web' }, apart)])).toMatch(
    /^web-1=(a web-2=b|b web-2=a)$/,
  );
  const refused = place(state, [asks('web-3', { app: 'web' })]);
  expect(refused).toMatch(/^NoCapacity: .*AntiAffinity over kubernetes.io\/hostname of prod\/web-1/);
  expect(state.vms.size).toBe(2);
  expect(place(state, [asks('cache', {}, together)])).toMatch(/^cache=[ab]$/);
});

test('rules see a placed VM as the last caller described it, in the journal too', () => {
  const state = platformWith(['zone-a/a', 'zone-b/b']);
  expect(place(state, [placement('app')])).toMatch(/^app=/);
  const cache = asks('cache', {}, rule('Affinity', HOST, { app: 'shop' }));
  expect(place(state, [cache])).toMatch(/^NoCapacity: .* selects no VM that has or gets a place/);
  const told = asks('app', { app: 'shop' });
  const node = state.vms.get('prod/app')?.placement.node;
  expect(place(state, [cache], [told, asks('unknown', { app: 'shop' })])).toBe(`cache=${node}`);
  expect(state.vms.get('prod/app')?.labels).toEqual({ app: 'shop' });
  expect(state.vms.has('prod/unknown')).toBe(false);
  // Told nothing new, nothing is written.
  expect(placeNow(state, [cache], { caller: 'test', beside: [told] }, 3).beside).toBeUndefined();
  // The VM itself is asked for again: it keeps its place, and its new labels count.
  expect(place(state, [asks('app', { app: 'other' })])).toBe(`app=${node}`);
  expect(state.vms.get('prod/app')?.labels).toEqual({ app: 'other' });
});

test('a journal of an older version is read: its VMs have no labels and no rules', () => {
  const state = platformWith(['zone-a/a']);
  const old = { vm: 'prod/old', uid: 'uid-old', cpus: 7, memory: GIB };
  const vms = [{ ...old, placement: { zoneID: 'zone-a', node: 'a' } }];
  apply(state, { type: 'place', at: 1, caller: 'test', answer: 'Placed', vms });
  expect(place(state, [placement('new')])).toBe(
    'NoCapacity: there is not enough room: a in zone-a lacks 1 cpu for prod/new',
  );
  expect(
    place(
      state,
      [asks('new', {}, rule('AntiAffinity', ZONE, { app: 'web' }))].map((each) => ({ ...each, cpus: 1 })),
    ),
  ).toBe('new=a');
});

test('one host that is to take them, and no such host', () => {
  const state = platformWith(['zone-a/a', 'zone-b/b']);
  const on = (node: string): PlaceCall => placeNow(state, [placement('x')], { caller: 'test', node }, 2);
  expect(on('b')).toMatchObject({ answer: 'Placed', vms: [{ placement: { zoneID: 'zone-b', node: 'b' } }] });
  expect(on('c')).toMatchObject({
    class: 'NoCapacity',
    message: 'there is no host c, on which prod/x must be placed',
  });
});

describe('ENGINE-2, ENGINE-3: the check reports an answer that breaks a rule', () => {
  const world = inventory({}, hosts(['zone-a/a', 'zone-a/aa', 'zone-b/b'], 4));
  const web = { app: 'web' };
  const at = (node: string, zoneID = `zone-${node[0]}`): { zoneID: string; node: string } => ({
    zoneID,
    node,
  });
  const there = {
    ...placementVm(asks('there', web, rule('AntiAffinity', ZONE, { app: 'db' }))),
    placement: at('a'),
  };
  const table: [string, PlacementRequest[], string[], string[]][] = [
    ['all is well', [asks('x', web), asks('y', web)], ['a', 'aa'], []],
    ['no place', [asks('x', web), asks('y', web)], ['a'], ['prod/y has no place']],
    ['no such host', [placement('x')], ['z'], ['prod/x is on no host']],
    ['the pin', [placement('x', { zone: 'zone-b' })], ['a'], ['prod/x is not in the zone of its pin']],
    ['room', [placement('x', { cpus: 3 })], ['a'], ['a has too little cpus']],
    ['room of zone', [placement('x', { cpus: 3 })], ['aa'], []],
    [
      'its own rule over hosts',
      [asks('x', {}, rule('AntiAffinity', HOST, web))],
      ['a'],
      [`AntiAffinity over ${HOST} of prod/x is broken`],
    ],
    ['the next host', [asks('x', {}, rule('AntiAffinity', HOST, web))], ['aa'], []],
    [
      'its own rule over zones',
      [asks('x', {}, rule('AntiAffinity', ZONE, web))],
      ['aa'],
      [`AntiAffinity over ${ZONE} of prod/x is broken`],
    ],
    [
      'the rule of one that is there',
      [asks('x', { app: 'db' })],
      ['aa'],
      [`AntiAffinity over ${ZONE} of prod/there is broken`],
    ],
    [
      'affinity elsewhere',
      [asks('x', {}, rule('Affinity', HOST, web))],
      ['aa'],
      [`Affinity over ${HOST} of prod/x is broken`],
    ],
    ['affinity there', [asks('x', {}, rule('Affinity', HOST, web))], ['a'], []],
    [
      'affinity to no VM',
      [asks('x', {}, rule('Affinity', HOST, { no: 'body' }))],
      ['a'],
      [`Affinity over ${HOST} of prod/x is broken`],
    ],
    [
      'affinity to itself alone',
      [asks('x', { no: 'body' }, rule('Affinity', HOST, { no: 'body' }))],
      ['a'],
      [],
    ],
  ];
  test.each(table)('%s', (_name, requests, nodes, wrong) => {
    const problem = placementProblem(world, requests.map(placementVm), [there]);
    const placements = nodes.map((node, index) => ({ ...problem.vms[index]!, placement: at(node) }));
    expect(mistakes(problem, placements)).toEqual(wrong);
  });
});

test(
  '100 groups of 5 VMs that exclude each other, asked for at once, on 20 hosts: no violation in the journal',
  () =>
    withFolder(async (dataDir) => {
      const names = Array.from({ length: 20 }, (_, at) => `zone-${'abcd'[at % 4]}/host-${at}`);
      const made = { ...DEFAULT_INVENTORY, hosts: hosts(names, 64, 256 * GIB), datastores: [] };
      const simulator = await startSimulator({ dataDir, inventory: made });
      const platform = new SimulatedPlatform(simulator.address);
      const groups = Array.from({ length: 100 }, (_, at) => {
        const labels = { group: `g${at}` };
        const apart = rule('AntiAffinity', HOST, labels);
        return Array.from({ length: 5 }, (_, of) => asks(`g${at}-${of}`, labels, apart));
      });
      const all = await Promise.all(groups.map((group) => platform.place(group, { caller: 'test' })));
      for (const results of all) expect(new Set(results.map((each) => each.placement?.node)).size).toBe(5);
      const room = new Map<string, number>();
      for (const { placement: { node = '' } = {} } of all.flat()) room.set(node, (room.get(node) ?? 0) + 2);
      expect(Math.max(...room.values())).toBeLessThanOrEqual(64);
      expect(all.flat()).toHaveLength(500);
      await platform.close();
      await simulator.close();
    }),
  300_000,
);

test('an optional VM without room does not fail the call: the answer and the journal say why it has no place', () =>
  withFolder(async (dataDir) => {
    const small = inventory({}, hosts(['zone-a/a'], 4));
    const simulator = await startSimulator({ dataDir, inventory: small });
    const platform = new SimulatedPlatform(simulator.address);
    const vms = [
      placement('report', { cpus: 2, optional: true }),
      placement('db', { cpus: 4 }),
      placement('spare', { cpus: 0, memory: 0, optional: true }),
    ];
    const [report, db, spare] = await platform.place(vms, { caller: 'test' });
    expect(report).toEqual({
      vm: vms[0]?.vm,
      unplaced: 'there is not enough room: a in zone-a lacks 2 cpus for prod/report',
    });
    expect([db?.placement?.node, spare?.placement?.node]).toEqual(['a', 'a']);
    // Asked again, those that have their place keep it.
    expect(await platform.place(vms, { caller: 'test', seed: 2 })).toEqual([report, db, spare]);
    await platform.close();
    await simulator.close();
    const again = await startSimulator({ dataDir });
    expect(again.machine.list().map(({ state }) => state.vm.name)).toEqual(['db', 'spare']);
    await again.close();
  }));
