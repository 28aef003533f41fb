/**
 * Problems that are hard because hosts are nearly full are decided within the default steps, with any seed.
 *
 * Guarantees: G9.
 */
import type { AffinityTerm } from '../../api';
import { solvePlacement, type PlacementProblem, type PlacementVm } from '../../placement';
import { layOut, readProblem } from '../../placement/model';
import { Budget, Filling, Random } from '../../placement/search';
import { mistakes } from './checker';
import { exactSolver } from './mip';
import { propertyRuns } from '../support/property-runs';
import { drawer, packed } from '../../bench/placement-problems';
import { GiB, HOST, hosts, problem, term, vm, ZONE } from './problems';

/** The labels of a VM, its CPUs, GiB of memory, and required rules. */
type Row = [labels: Record<string, string>, cpus: number, memory: number, affinity?: AffinityTerm[]];

function machines(rows: Row[]): PlacementVm[] {
  return rows.map(([labels, cpus, memory, affinity = []], at) =>
    vm(`vm-${at}`, { labels, cpus, memory: memory * GiB, affinity }),
  );
}

/** A problem on hosts of 16 CPUs and 64 GiB, with some seeds. Only steps end a search, so a slow machine gets the same answers. */
function withSeeds(vms: PlacementVm[], names: string[], seeds: number[]): PlacementProblem[] {
  const parts = { vms, hosts: hosts(names, 16, 64 * GiB), safetyStop: Infinity };
  return seeds.map((seed) => problem({ ...parts, seed }));
}

test('a VM that needs a host for itself leaves less room than the others need: that is proven', () => {
  const selecting = (
    ...matchExpressions: AffinityTerm['selector']['matchExpressions']
  ): AffinityTerm['selector'] => ({
    matchLabels: {},
    matchExpressions,
  });
  const ofShop = { key: 'app', operator: 'In' as const, values: ['shop'] };
  const alone = term('AntiAffinity', HOST, selecting({ key: 'app', operator: 'Exists', values: [] }));
  const nearShop = selecting({ key: 'env', operator: 'NotIn', values: ['test', 'prod'] }, ofShop);
  const nearBare = selecting({ key: 'tier', operator: 'DoesNotExist', values: [] }, ofShop);
  const vms = machines([
    [{ app: 'shop' }, 2, 8],
    [{ app: 'shop', tier: 'db' }, 2, 8],
    [{ app: 'shop', env: 'dev' }, 4, 16],
    [{ app: 'shop', env: 'prod' }, 4, 16],
    [{ app: 'shop', env: 'test' }, 1, 4],
    [{ app: 'shop', env: 'dev', gpu: 'yes' }, 1, 4],
    [{ app: 'billing', gpu: 'yes' }, 1, 4],
    [{ app: 'billing', env: 'prod', tier: 'app' }, 4, 16],
    [{ app: 'billing', tier: 'cache' }, 1, 4],
    [{ app: 'shop', env: 'dev', gpu: 'yes', tier: 'db' }, 4, 16],
    [
      { app: 'shop', tier: 'cache' },
      2,
      8,
      [term('Affinity', HOST, nearBare), term('AntiAffinity', HOST, { app: 'billing', tier: 'app' })],
    ],
    [{ app: 'shop', tier: 'app' }, 1, 4],
    [{ app: 'shop', gpu: 'yes', tier: 'db' }, 2, 8],
    [{ app: 'shop' }, 4, 16],
    [{ app: 'shop' }, 4, 16],
    [{ app: 'billing', env: 'prod', gpu: 'yes' }, 4, 16],
    [
      { app: 'billing', tier: 'app' },
      4,
      16,
      [alone, term('AntiAffinity', HOST, { tier: 'cache' }), term('Affinity', ZONE, nearShop)],
    ],
    [{ app: 'billing', env: 'dev' }, 4, 16],
    [{ app: 'shop', gpu: 'yes', tier: 'app' }, 4, 16],
  ]);
  const needed = vms
    .filter(({ affinity }) => !affinity.includes(alone))
    .reduce((sum, { cpus }) => sum + cpus, 0);
  expect(needed).toBe(3 * 16 + 1);
  for (const asked of withSeeds(vms, ['a/1', 'b/2', 'c/3', 'a/4'], [1, 2, 3, 4])) {
    const answer = solvePlacement(asked);
    expect(answer).toMatchObject({ type: 'Infeasible', conflict: { minimal: true } });
    expect('conflict' in answer && answer.conflict.rules.map(({ path }) => path)).toEqual([alone.path]);
  }
});

test('places are found where all CPUs are taken, and nearly all memory', () => {
  const vms = machines([
    [{ app: 'billing', tier: 'web' }, 8, 16],
    [{ app: 'shop', tier: 'cache' }, 8, 16],
    [{ app: 'shop', tier: 'cache' }, 6, 36],
    [{ app: 'billing', tier: 'queue' }, 8, 20],
    [{ app: 'shop', tier: 'web' }, 1, 4],
    [{ app: 'billing', tier: 'web' }, 3, 6, [term('AntiAffinity', HOST, { tier: 'web' })]],
    [{ app: 'shop', tier: 'web' }, 3, 1],
    [{ app: 'billing', tier: 'queue' }, 3, 30],
    [{ app: 'shop', tier: 'cache' }, 3, 12],
    [{ app: 'shop', tier: 'app' }, 2, 12, [term('AntiAffinity', HOST, { app: 'shop', tier: 'cache' })]],
    [{ app: 'billing', tier: 'cache' }, 3, 23],
    [{ app: 'billing', tier: 'app' }, 2, 4],
    [{ app: 'billing', tier: 'cache' }, 8, 24, [term('Affinity', ZONE, { tier: 'web' })]],
    [{ app: 'billing', tier: 'db' }, 6, 12],
    [{ app: 'billing', tier: 'queue' }, 2, 6],
    [{ app: 'billing', tier: 'queue' }, 5, 25],
    [{ app: 'billing', tier: 'queue' }, 4, 24],
    [{ app: 'shop', tier: 'web' }, 1, 4, [term('AntiAffinity', HOST, { app: 'shop' })]],
    [{ app: 'billing', tier: 'db' }, 1, 6],
    [{ app: 'shop', tier: 'web' }, 3, 12],
    [{ app: 'shop', tier: 'web' }, 1, 4, [term('Affinity', HOST, { app: 'billing' })]],
    [{ app: 'billing', tier: 'db' }, 4, 12, [term('AntiAffinity', HOST, { tier: 'app' })]],
    [{ app: 'shop', tier: 'web' }, 5, 32],
    [{ app: 'billing', tier: 'app' }, 8, 24],
    [{ app: 'billing', tier: 'queue' }, 6, 36],
    [{ app: 'shop', tier: 'cache' }, 5, 21],
    [{ app: 'billing', tier: 'app' }, 3, 21, [term('AntiAffinity', HOST, { tier: 'db' })]],
  ]);
  for (const asked of withSeeds(vms, ['a/1', 'b/2', 'a/3', 'b/4', 'a/5', 'b/6', 'a/7'], [1, 2])) {
    const answer = solvePlacement(asked);
    if (answer.type !== 'Placed') throw new Error(answer.message);
    expect(mistakes(asked, answer.placements)).toEqual([]);
  }
});

describe('FILL-1: hosts that are full to the last CPU, and nearly of memory', () => {
  // Problems that a search VM by VM, and repairs, left undecided.
  const seeds = [15, 22, 24, 33, 44, 54, 57, 98, 140, 162, 226, 269];
  test.each(seeds.slice(0, Math.max(3, propertyRuns(seeds.length))))('problem %i gets its places', (seed) => {
    const asked = { ...packed(seed), safetyStop: Infinity };
    const answer = solvePlacement(asked);
    if (answer.type !== 'Placed') throw new Error(answer.message);
    expect(mistakes(asked, answer.placements)).toEqual([]);
  });
});

test('FILL-2: a full set of hosts that one rule makes impossible is proven to be so', () => {
  // Three VMs of 8 CPUs fill one host and a half: the fourth host is left with 8, and the VM of 16 needs one of its own.
  const wide = { cpus: 16, memory: 4 * GiB };
  const half = { cpus: 8, memory: 4 * GiB };
  const names = ['a/1', 'a/2', 'b/3'];
  const some = [vm('w-0', wide), ...[0, 1, 2, 3].map((at) => vm(`h-${at}`, half))];
  const asked = problem({ vms: some, hosts: hosts(names, 16, 64 * GiB), safetyStop: Infinity });
  expect(solvePlacement(asked).type).toBe('Placed');
  const apart = [term('AntiAffinity', HOST, { app: 'half' })];
  const alone = some.map((each) =>
    each.name.startsWith('h') ? { ...each, labels: { app: 'half' }, affinity: apart } : each,
  );
  expect(solvePlacement({ ...asked, vms: alone })).toMatchObject({ type: 'Infeasible' });
});

test('FILL-2: filling finds places, or the proof that there are none, exactly where the exact solver does', async () => {
  const seeds = Math.max(20, propertyRuns(60));
  const prove = await exactSolver();
  const found = { Found: 0, None: 0 };
  for (let seed = 1; seed <= seeds; seed += 1) {
    const draw = drawer(seed);
    const names = ['a/1', 'a/2', 'b/3'];
    const labels = (): Record<string, string> => ({ app: `app-${draw(2)}` });
    const some = Array.from({ length: 8 }, (_, at) =>
      vm(`vm-${at}`, {
        cpus: 2 + draw(4),
        memory: GiB,
        labels: labels(),
        affinity:
          draw(3) === 0 ? [term(draw(2) ? 'Affinity' : 'AntiAffinity', draw(2) ? HOST : ZONE, labels())] : [],
      }),
    );
    const needed = some.reduce((sum, { cpus }) => sum + cpus, 0);
    const asked = problem({ vms: some, hosts: hosts(names, Math.ceil(needed / 3), 64 * GiB) });
    const network = layOut(readProblem(asked), { room: true, preferred: false });
    const verdict = new Filling(network, new Random(seed), new Budget(1e6, 60_000)).run(1e6);
    const exact = prove(asked, { tolerance: 0 });
    expect([seed, verdict.type]).toEqual([seed, exact.type === 'Infeasible' ? 'None' : 'Found']);
    found[verdict.type as 'Found' | 'None'] += 1;
  }
  expect(Math.min(found.Found, found.None)).toBeGreaterThan(seeds / 12);
});
