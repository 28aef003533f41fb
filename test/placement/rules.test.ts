/**
 * The table of docs/reference/placement.md, a test a row, and the examples of the manual.
 *
 * Guarantees: G9.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseManifests } from '../../api';
import { solvePlacement, type Infeasible, type Placed, type PlacementProblem } from '../../placement';
import { conflictMessage } from '../../placement/answer';
import { readProblem } from '../../placement/model';
import { mistakes } from './checker';
import { GiB, HOST, hosts, placedVm, problem, selecting, term, vm, ZONE } from './problems';

const FOUR = ['zone-a/a1', 'zone-a/a2', 'zone-b/b1', 'zone-b/b2'];
const web = { app: 'web' };
const db = { app: 'db' };

/** The places of the VMs, by name, in an answer that is right. */
function place(parts: Partial<PlacementProblem>): Placed & { at: Record<string, string> } {
  const asked = problem({ hosts: hosts(FOUR), steps: 20_000, ...parts });
  const answer = solvePlacement(asked);
  if (answer.type !== 'Placed') throw new Error(answer.message);
  expect(mistakes(asked, answer.placements)).toEqual([]);
  const at = answer.placements.map(({ name, placement }) => [
    name,
    `${placement.zoneID}/${placement.node ?? ''}`,
  ]);
  return { ...answer, at: Object.fromEntries(at) as Record<string, string> };
}

function conflictOf(parts: Partial<PlacementProblem>): Infeasible {
  const answer = solvePlacement(problem({ hosts: hosts(FOUR), steps: 20_000, ...parts }));
  if (answer.type !== 'Infeasible') throw new Error(`expected a conflict: ${answer.type}`);
  expect(answer.conflict.minimal).toBe(true);
  return answer;
}

function zoneOf(at: string | undefined): string {
  return at?.split('/')[0] ?? '';
}

const ROWS: Record<string, () => void> = {
  'PLACE-1': () => {
    const { at } = place({
      vms: [vm('cache', { affinity: [term('Affinity', HOST, db)] }), vm('db', { labels: db, cpus: 7 })],
    });
    expect(at['cache']).toBe(at['db']);
  },
  'PLACE-2': () => {
    const near = [term('Affinity', ZONE, db)];
    const { at } = place({
      vms: [vm('app', { cpus: 8, affinity: near }), vm('db', { labels: db, cpus: 8 })],
    });
    expect(zoneOf(at['app'])).toBe(zoneOf(at['db']));
    expect(at['app']).not.toBe(at['db']);
  },
  'PLACE-3': () => {
    const vms = [1, 2, 3, 4].map((n) =>
      vm(`web-${n}`, { labels: web, affinity: [term('AntiAffinity', HOST, web)] }),
    );
    expect(new Set(Object.values(place({ vms }).at)).size).toBe(4);
  },
  'PLACE-4': () => {
    const vms = [1, 2].map((n) =>
      vm(`web-${n}`, { labels: web, affinity: [term('AntiAffinity', ZONE, web)] }),
    );
    const { at } = place({ vms });
    expect(zoneOf(at['web-1'])).not.toBe(zoneOf(at['web-2']));
  },
  'PLACE-5': () => {
    const apart = [term('AntiAffinity', ZONE, web, 'Preferred')];
    const vms = [1, 2, 3].map((n) => vm(`web-${n}`, { labels: web, affinity: apart }));
    const { score } = place({ vms, placed: [placedVm('big', 'zone-b/b1', { cpus: 8 })] });
    // Two zones: one VM can have one to itself, though zone-b is the fuller one.
    expect(score.preferred).toEqual({ terms: 3, kept: 1, broken: 2, weight: 2 });
  },
  'PLACE-6': () => {
    const alone = [term('AntiAffinity', ZONE, web)];
    const vms = [1, 2, 3].map((n) => vm(`web-${n}`, { namespace: `ns-${n}`, labels: web, affinity: alone }));
    expect(place({ vms }).rules.map(({ outcome }) => outcome)).toEqual(['NoMatch', 'NoMatch', 'NoMatch']);
  },
  'PLACE-7': () => {
    const both = term('Affinity', HOST, { app: 'db', role: 'primary' });
    const vms = [
      vm('cache', { affinity: [both] }),
      vm('replica', { labels: { app: 'db', role: 'replica' } }),
      vm('primary', { labels: { app: 'db', role: 'primary' } }),
    ];
    const { at } = place({ vms });
    expect(at['cache']).toBe(at['primary']);
  },
  'PLACE-8': () => {
    const chosenBy = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', values: string[]): string[] => {
      const selector = { matchLabels: {}, matchExpressions: [{ key: 'app', operator, values }] };
      const vms = [
        vm('one', { labels: { role: 'own', app: 'own' }, affinity: [term('AntiAffinity', HOST, selector)] }),
        vm('a', { labels: { app: 'a' } }),
        vm('b', { labels: { app: 'b' } }),
        vm('none'),
      ];
      // Each is placed in turn next to a VM that is there already: only selected VMs may not be.
      return vms.slice(1).flatMap((other) => {
        const asked = problem({
          vms: [vms[0]!],
          placed: [{ ...other, placement: { zoneID: 'z', node: 'only' } }],
          hosts: hosts(['z/only']),
        });
        return solvePlacement(asked).type === 'Infeasible' ? [other.name] : [];
      });
    };
    expect(chosenBy('In', ['a'])).toEqual(['a']);
    expect(chosenBy('NotIn', ['a'])).toEqual(['b', 'none']);
    expect(chosenBy('Exists', [])).toEqual(['a', 'b']);
    expect(chosenBy('DoesNotExist', [])).toEqual(['none']);
  },
  'PLACE-9': () => {
    const vms = [vm('web-1', { labels: web, affinity: [term('AntiAffinity', HOST, web)] })];
    expect(place({ vms, hosts: hosts(['zone-a/a1']) }).at).toEqual({ 'web-1': 'zone-a/a1' });
  },
  'PLACE-10': () => {
    const { rules } = place({ vms: [vm('web-1', { labels: web, affinity: [term('Affinity', HOST, web)] })] });
    expect(rules.map(({ outcome }) => outcome)).toEqual(['Kept']);
  },
  'PLACE-11': () => {
    const { message, conflict } = conflictOf({
      vms: [vm('cache', { affinity: [term('Affinity', HOST, db)] })],
    });
    expect(conflict.rules).toMatchObject([{ vm: { name: 'cache' }, type: 'Affinity' }]);
    expect(message).toContain(
      'of shop/cache selects no VM that has or gets a place: none in namespace shop has app=db',
    );
    const { rules } = place({ vms: [vm('cache', { affinity: [term('Affinity', HOST, db, 'Preferred')] })] });
    expect(rules.map(({ outcome }) => outcome)).toEqual(['NoMatch']);
  },
  'PLACE-12': () => {
    const vms = [1, 2, 3].map((n) =>
      vm(`web-${n}`, { cpus: 2, labels: web, affinity: [term('Affinity', HOST, web)] }),
    );
    expect(new Set(Object.values(place({ vms }).at)).size).toBe(1);
  },
  'PLACE-13': () => {
    const apart = [term('AntiAffinity', ZONE, web)];
    const vms = [vm('web-2', { labels: web })];
    const { at } = place({ vms, placed: [placedVm('web-1', 'zone-a/a1', { affinity: apart })] });
    expect(zoneOf(at['web-2'])).toBe('zone-b');
    const other = place({
      vms: [vm('web-2', { affinity: apart })],
      placed: [placedVm('web-1', 'zone-b/b1', { labels: web })],
    });
    expect(zoneOf(other.at['web-2'])).toBe('zone-a');
  },
  'PLACE-14': () => {
    const waiting = placedVm('cache', 'zone-b/b2', { affinity: [term('Affinity', HOST, db)] });
    expect(place({ vms: [vm('db', { labels: db })], placed: [waiting] }).at['db']).toBe('zone-b/b2');
    place({ vms: [vm('other')], placed: [waiting] });
  },
  'PLACE-15': () => {
    const apart = { labels: web, affinity: [term('AntiAffinity', HOST, web)] };
    const placed = [placedVm('web-1', 'zone-a/a1', apart), placedVm('web-2', 'zone-a/a1', apart)];
    expect(place({ vms: [vm('web-3', apart)], placed }).at['web-3']).not.toBe('zone-a/a1');
  },
  'PLACE-16': () => {
    const vms = [1, 2, 3].map((n) =>
      vm(`web-${n}`, { labels: web, affinity: [term('AntiAffinity', ZONE, web)] }),
    );
    const { message, conflict } = conflictOf({ vms });
    expect(conflict.rules).toHaveLength(2);
    expect(message).toContain(
      'shop/web-1, shop/web-2 and shop/web-3 may not share a zone, and there are 2 zones for them',
    );
  },
  'PLACE-17': () => {
    const { at } = place({
      vms: [vm('one', { zone: 'zone-b' })],
      placed: [placedVm('big', 'zone-b/b1', { cpus: 8 })],
    });
    expect(at['one']).toBe('zone-b/b2');
    const { message, conflict } = conflictOf({ vms: [vm('one', { zone: 'zone-x' })] });
    expect(conflict.rules).toMatchObject([{ vm: { name: 'one' }, type: 'Pin' }]);
    expect(message).toBe('shop/one is pinned to zone zone-x, where there is no host');
  },
  'PLACE-18': () => {
    const vms = Array.from({ length: 3 }, (_, n) => vm(`tenth-${n}`, { cpus: 0.1, memory: 0 }));
    place({ vms, hosts: hosts(['zone-a/a1'], 0.3) });
    const { message, conflict } = conflictOf({
      vms: [
        vm('db-1', { labels: db, memory: 20 * GiB, zone: 'zone-b' }),
        vm('db-2', { memory: 24 * GiB, affinity: [term('Affinity', HOST, db)] }),
      ],
      hosts: hosts(['zone-a/a1', 'zone-b/b1']),
    });
    expect(conflict.capacity).toMatchObject([
      { zone: 'zone-b', host: 'b1', cpus: 0, memory: 12 * GiB, vms: [{ name: 'db-2' }, { name: 'db-1' }] },
    ]);
    expect(message).toMatch(/^b1 in zone-b lacks 12 GiB for shop\/db-2, under .*of shop\/db-2$/);
  },
  'PLACE-19': () => {
    const placed = [placedVm('big', 'zone-a/a1', { cpus: 99 })];
    place({ vms: [vm('one', { cpus: 0, memory: 0 })], placed, hosts: hosts(['zone-a/a1']) });
    const vms = FOUR.map((_, n) => vm(`one-${n}`, { cpus: 0, memory: 0 }));
    expect(new Set(Object.values(place({ vms }).at)).size).toBe(4);
  },
  'PLACE-20': () => {
    const placed = [placedVm('db', 'zone-a/gone', { labels: db, cpus: 99 })];
    const { at } = place({ vms: [vm('app', { affinity: [term('Affinity', ZONE, db)] })], placed });
    expect(zoneOf(at['app'])).toBe('zone-a');
    conflictOf({ vms: [vm('app', { affinity: [term('Affinity', HOST, db)] })], placed });
  },
  'PLACE-21': () => {
    const placed = [placedVm('db', 'zone-a', { labels: db })];
    place({
      vms: [vm('app', { affinity: [term('AntiAffinity', HOST, db)] })],
      placed,
      hosts: hosts(['zone-a/a1']),
    });
    conflictOf({
      vms: [vm('app', { affinity: [term('AntiAffinity', ZONE, db)] })],
      placed,
      hosts: hosts(['zone-a/a1']),
    });
  },
  'PLACE-22': () => {
    const zones = [{ name: 'east', cpus: 4, memory: 8 * GiB }, { name: 'west' }];
    const apart = { labels: web, affinity: [term('AntiAffinity', HOST, web)] };
    const vms = [
      vm('db', { labels: db, cpus: 4 }),
      vm('cache', { affinity: [term('Affinity', HOST, db)] }),
      ...[1, 2, 3].map((n) => vm(`web-${n}`, apart)),
    ];
    const { at, rules } = place({ vms, zones, hosts: [] });
    // East has no room for both.
    expect(at).toMatchObject({ db: 'west/', cache: 'west/' });
    expect(rules.find(({ vm: { name } }) => name === 'cache')?.outcome).toBe('LeftToPlatform');
    const together = rules.filter(({ vm: { name } }) => name.startsWith('web')).map(({ outcome }) => outcome);
    expect(together).toContain('LeftToPlatform');
    expect(together).not.toContain('Broken');
    const crowded = conflictOf({ vms: [vm('one', { cpus: 6 })], zones: zones.slice(0, 1), hosts: [] });
    expect(crowded.message).toBe('there is not enough room: east lacks 2 cpus for shop/one');
  },
  'PLACE-23': () => {
    const datastores = [
      { name: 'full', zones: ['zone-a'], free: 0 },
      { name: 'vsan', id: 'datastore-1', zones: ['zone-b'], free: 1 },
    ];
    const { placements } = place({ vms: [vm('one')], datastores });
    expect(placements[0]?.placement).toMatchObject({
      zoneID: 'zone-b',
      pool: 'zone-b-pool',
      datastores: [{ name: 'vsan', id: 'datastore-1' }],
    });
  },
};

const page = readFileSync(path.join(__dirname, '../../docs/reference/placement.md'), 'utf8');
const rows = [...page.matchAll(/^\| (PLACE-\d+) +\| (.+?) +\| (.+?) +\|$/gm)].map(
  ([, id = '', text = '']) => ({
    id,
    text,
  }),
);

test('every row has its test', () => {
  expect(rows.map(({ id }) => id)).toEqual(Object.keys(ROWS));
});

test.each(rows)('$id: $text', ({ id }) => ROWS[id]!());

describe('the examples of the manual', () => {
  const folder = path.join(__dirname, '../../examples/affinity');
  const { manifests } = parseManifests(
    readdirSync(folder).map((file) => ({ path: file, text: readFileSync(path.join(folder, file), 'utf8') })),
  );
  const vms = manifests.virtualMachines.map(({ namespace, name, uid, labels, className, affinity }) => {
    const { cpus = 0, memory = 0 } = manifests.classes.find((one) => one.name === className) ?? {};
    return { namespace, name, uid, labels, cpus, memory, affinity };
  });
  const nine = ['a', 'b', 'c'].flatMap((zone) => [1, 2, 3].map((n) => `zone-${zone}/${zone}${n}`));

  test('web servers on three zones, a cache on the host of an app server, app servers spread over hosts', () => {
    expect(vms).toHaveLength(7);
    const { at, score } = place({ vms, hosts: hosts(nine, 16, 64 * GiB) });
    const of = (prefix: string): string[] =>
      Object.entries(at).flatMap(([name, where]) => (name.startsWith(prefix) ? [where] : []));
    expect(new Set(of('web-server').map(zoneOf)).size).toBe(3);
    expect(of('app-server')).toContain(at['app-cache']);
    expect(new Set(of('app-server')).size).toBe(3);
    expect(score.preferred).toMatchObject({ kept: 3, broken: 0 });
  });

  test('with two zones the web servers are a conflict', () => {
    const { message } = conflictOf({ vms, hosts: hosts(nine.slice(0, 6), 16, 64 * GiB) });
    expect(message).toMatch(
      /^affinity\/web-server-1, affinity\/web-server-2 and affinity\/web-server-3 may not share a zone, and there are 2 zones/,
    );
  });
});

test.each([
  ['two VMs have the uid uid-a', { vms: [vm('a'), vm('a')] }],
  ['two hosts have the name a1', { hosts: hosts(['zone-a/a1', 'zone-b/a1']) }],
  ['zone zone-a is declared to hide its hosts', { zones: [{ name: 'zone-a' }] }],
])('refused: %s', (message, parts) => {
  expect(() => solvePlacement(problem({ hosts: hosts(FOUR), steps: 20_000, ...parts }))).toThrow(message);
});

test('the safety stop ends a search, and the answer says so', () => {
  const answer = solvePlacement(
    problem({ vms: FOUR.map((name) => vm(name)), hosts: hosts(FOUR), safetyStop: 0, steps: 1e9 }),
  );
  expect(answer).toMatchObject({ type: 'Placed', search: { stoppedByClock: true } });
});

test('a budget that ends without an answer or a proof says that', () => {
  // 3 CPUs or 5 on hosts of 11: whether they fit is hard to tell.
  const vms = Array.from({ length: 30 }, (_, n) =>
    vm(`vm-${n}`, { cpus: 3 + (n % 3), memory: (5 - (n % 3)) * GiB, labels: selecting({}).matchLabels }),
  );
  const answer = solvePlacement(
    problem({
      vms,
      hosts: hosts(
        Array.from({ length: 11 }, (_, n) => `z/h${n}`),
        11,
        11 * GiB,
      ),
      steps: 10,
    }),
  );
  expect(answer.type).toBe('Undecided');
});

describe('messages of a conflict', () => {
  const license = { app: 'license' };
  const web = { app: 'web' };
  const apart = term('AntiAffinity', ZONE, web);

  test('placed VMs that each exclude a new one are not said to exclude each other', () => {
    const answer = solvePlacement(
      problem({
        vms: [vm('web-1', { labels: web })],
        placed: [
          placedVm('license-1', 'a/h', { labels: license, affinity: [apart] }),
          placedVm('license-2', 'b/g', { labels: license, affinity: [apart] }),
        ],
        hosts: hosts(['a/h', 'b/g']),
      }),
    );
    expect('message' in answer && answer.message).toBe(
      'there is no zone for shop/web-1 without shop/license-1 or shop/license-2, ' +
        `under ${apart.path} of shop/license-1 and ${apart.path} of shop/license-2`,
    );
  });

  test('where the fewest rules were not found, the message says so', () => {
    const vms = ['a', 'b'].map((name) => vm(name, { labels: web, affinity: [apart] }));
    const model = readProblem(problem({ vms, hosts: hosts(['a/h']) }));
    const rules = vms.map((each) => ({
      vm: { namespace: 'shop', name: each.name, uid: each.uid },
      type: 'AntiAffinity' as const,
      path: apart.path,
    }));
    const end = '; some of these rules may not matter: the search for the fewest ended first';
    expect(conflictMessage(model, { rules, minimal: false }).endsWith(end)).toBe(true);
    expect(conflictMessage(model, { rules, minimal: true })).not.toContain(end);
  });
});

test('PLACE-5: a share of a preferred anti-affinity may yield to an even load, a whole rule does not', () => {
  const db = { app: 'db' };
  const all = (count: number): string => {
    const apart = term('AntiAffinity', ZONE, db, 'Preferred');
    const vms = Array.from({ length: count }, (_, at) =>
      vm(`db-${at}`, {
        cpus: 3,
        memory: 3 * GiB,
        labels: at === 0 ? { app: 'lone' } : db,
        ...(at === 0 && { affinity: [apart] }),
      }),
    );
    const answer = solvePlacement(problem({ vms, hosts: hosts(['a/h', 'a/i', 'b/g', 'b/f'], 9, 9 * GiB) }));
    return answer.type === 'Placed' ? (answer.rules[0]?.outcome ?? '') : answer.type;
  };
  // One other VM: the rule is kept.
  expect(all(2)).toBe('Kept');
  // Five others, as in the documentation: an even load is worth the share of one.
  expect(all(6)).toBe('Broken');
});

test('EXPLAIN-3: room that is missing is counted where all rules hold, not where one is broken to save room', () => {
  const { message, conflict } = conflictOf({
    vms: [
      vm('db', { labels: db, cpus: 2, memory: 4 * GiB }),
      vm('app', { labels: db, cpus: 0, memory: 0, zone: 'zone-a', affinity: [term('Affinity', HOST, db)] }),
      vm('batch', { cpus: 0, memory: 0 }),
    ],
    placed: [placedVm('old', 'zone-a/a1', { memory: 2 * GiB })],
    hosts: [...hosts(['zone-a/a1', 'zone-c/c1'], 2, 2 * GiB), ...hosts(['zone-c/c2'], 2, 4 * GiB)],
  });
  expect(conflict.capacity).toMatchObject([{ host: 'a1', cpus: 1, memory: 4 * GiB }]);
  expect(message).toMatch(/^a1 in zone-a lacks 1 cpu and 4 GiB for shop\/db, under /);
});

test('EXPLAIN-4: one VM more than hosts, among hundreds that a rule connects, is explained in limited time', () => {
  const [all, apart] = [{ all: 'yes' }, { apart: 'yes' }];
  const together = term('Affinity', ZONE, all);
  const exclusive = term('AntiAffinity', HOST, apart);
  const names = Array.from({ length: 30 }, (_, at) => `zone-${at % 3}/h${at}`);
  const vms = Array.from({ length: 200 }, (_, at) =>
    at <= names.length
      ? vm(`vm-${at}`, { labels: { ...all, ...apart }, affinity: [together, exclusive] })
      : vm(`vm-${at}`, { labels: all, affinity: [together] }),
  );
  const answer = solvePlacement(problem({ vms, hosts: hosts(names, 1_000, 1_000 * GiB) }));
  if (answer.type !== 'Infeasible') throw new Error(`expected a conflict: ${answer.type}`);
  const { message, conflict } = answer;
  expect(conflict.rules.map(({ path }) => path)).toContain(exclusive.path);
  expect(message).toMatch(/may not share a host, and there are 30 hosts for them/);
});
