/**
 * OPTIONAL-1, OPTIONAL-2: optional VMs.
 *
 * Guarantees: G9.
 */
import { placementText } from '../../cli/plan/placement-text';
import { solveChecked, type PlacementProblem } from '../../placement';
import { tryAll } from './checker';
import fc from 'fast-check';
import { propertyRuns } from '../support/property-runs';
import { anyProblem, GiB, HOST, hosts, problem, term, vm, ZONE } from './problems';

/** The answer as `name=host`, and `name: message` of each VM that was left out. */
function answer(asked: Partial<PlacementProblem>): string[] {
  const given = solveChecked(problem(asked));
  if (given.type !== 'Placed') return [`${given.type}: ${given.message}`];
  return [
    ...given.placements.map(({ name, placement }) => `${name}=${placement.node ?? placement.zoneID}`),
    ...(given.unplaced ?? []).map(({ name, message }) => `${name}: ${message}`),
  ];
}

const optional = { optional: true } as const;

test('without room for all, the required VMs are placed, and the answer says why the optional one is not', () => {
  const vms = [vm('report', { ...optional, cpus: 4 }), vm('db', { cpus: 4 }), vm('app', { cpus: 4 })];
  expect(answer({ vms, hosts: hosts(['z/h'], 8) })).toEqual([
    'db=h',
    'app=h',
    'report: there is not enough room: h in z lacks 4 cpus for shop/report',
  ]);
});

test('the plan as text names each VM that was left out, and why', () => {
  const vms = [vm('db'), vm('report', { ...optional, cpus: 9 })];
  expect(placementText(solveChecked(problem({ vms, hosts: hosts(['z/h'], 8) })))).toMatch(
    /\n {2}no place for optional report: there is not enough room: h in z lacks 2 cpus for shop\/report\n$/,
  );
});

test('as many optional VMs are placed as there is room for, those that come first before the others', () => {
  const vms = [
    vm('db', { cpus: 4 }),
    ...['a', 'b', 'c'].map((name) => vm(name, { ...optional, cpus: 2 })),
    vm('big', { ...optional, cpus: 9 }),
  ];
  const [db, a, b, ...left] = answer({ vms, hosts: hosts(['z/h'], 8) });
  expect([db, a, b]).toEqual(['db=h', 'a=h', 'b=h']);
  expect(left.map((line) => line.split(':')[0])).toEqual(['c', 'big']);
});

test('required VMs make room for an optional one, as nothing is placed yet', () => {
  const vms = [
    vm('a', { cpus: 4 }),
    vm('b', { cpus: 4 }),
    vm('whole', { ...optional, cpus: 8 }),
    vm('other', { ...optional, cpus: 8 }),
  ];
  expect(answer({ vms, hosts: hosts(['z/h', 'z/g'], 8) }).join()).toMatch(/^a=(.),b=\1,whole=.,other: /);
});

test('a rule of an optional VM leaves it out, and one that a required VM needs is placed', () => {
  const apart = term('AntiAffinity', ZONE, { app: 'db' });
  const vms = [
    vm('db', { labels: { app: 'db' }, affinity: [term('Affinity', HOST, { app: 'cache' })] }),
    vm('cache', { ...optional, labels: { app: 'cache' } }),
    vm('spare', { ...optional, affinity: [apart] }),
  ];
  expect(
    answer({ vms, hosts: hosts(['z/h', 'y/g']) })
      .slice(0, 3)
      .join(),
  ).toMatch(/^db=(.),cache=\1,spare=(?!\1)/);
  const [, , spare] = answer({ vms, hosts: hosts(['z/h']) });
  expect(spare ?? '').toBe('');
});

test('required VMs without room are refused, with any optional VMs', () => {
  const vms = [vm('db', { cpus: 9 }), vm('spare', optional)];
  expect(answer({ vms, hosts: hosts(['z/h'], 8) })).toEqual([
    'Infeasible: there is not enough room: h in z lacks 1 cpu for shop/db',
  ]);
});

test('without a required one there may be no place at all', () => {
  expect(answer({ vms: [vm('spare', optional)], hosts: [] })).toEqual([
    'spare: there is no host to place on',
  ]);
});

test('500 of them without room end within the budget', () => {
  const vms = [
    vm('db', { cpus: 8 }),
    ...Array.from({ length: 500 }, (_, at) => vm(`spare-${at}`, { ...optional, memory: GiB / 1024 })),
  ];
  expect(answer({ vms, hosts: hosts(['z/h'], 8) }).length).toBe(501);
});

test('OPTIONAL-1: the answer is right, and required VMs are placed wherever they could be without the optional ones', () => {
  fc.assert(
    fc.property(anyProblem(), fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), (asked, choice) => {
      const vms = asked.vms.map((each, at) => (choice[at % 6] ? { ...each, ...optional } : each));
      const required = vms.filter((each) => !each.optional);
      const given = solveChecked({ ...asked, vms });
      if (tryAll({ ...asked, vms: required })) expect(given.type).toBe('Placed');
      if (given.type !== 'Placed') return;
      const left = new Set(given.unplaced?.map(({ uid }) => uid));
      expect(required.some(({ uid }) => left.has(uid))).toBe(false);
      expect(given.placements.length + left.size).toBe(vms.length);
    }),
    { numRuns: propertyRuns(200) },
  );
});
