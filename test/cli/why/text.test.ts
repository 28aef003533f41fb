/** Explanations as people read them, from runs that the planner drives. */
import type { GroupView } from '../../../bridge';
import { paintFor } from '../../../cli/output';
import { whyText } from '../../../cli/why/text';
import { whyGroup, whyMember } from '../../../insight';
import { MINUTE, plan, SECOND, seen, tier } from '../../workflows/plans';
import { World } from '../../workflows/world';
import { knownGroup } from '../../insight/known';

const off = (name: string) => seen(name, 'PoweredOff');
const alone = { groupOf: () => undefined };

function explained(world: World, member?: string): string[] {
  const view = knownGroup(world) as unknown as GroupView;
  const found = member === undefined ? whyGroup(view, alone) : [whyMember(view, member, alone)];
  const drawing = { now: world.now, paint: paintFor({ isTTY: false }), width: 100 };
  return whyText({ view, found, all: member === undefined }, drawing)
    .trimEnd()
    .split('\n');
}

const stuck = (): World =>
  new World((id) => (id === 'power-on/db-2' ? { failsAfter: SECOND, class: 'Permanent' } : { takes: SECOND }))
    .send(plan([tier([off('db-1'), off('db-2')]), tier([off('app-1'), off('app-2')]), tier([off('web')])]))
    .pass(1_000_000 + MINUTE);

test('one member: the chain, with what helps', () => {
  expect(explained(stuck(), 'web')).toEqual([
    'production/shop  PoweredOn  Waiting',
    '  web waits for tier 1 of 3 to be done: db-2 is not, for 1m',
    '    └ db-2 is parked after 0 attempts, for 59s',
    '        Permanent: power-on/db-2 failed',
    '        → vmgroup retry production/shop db-2 --reason TEXT',
    '        → vmgroup skip production/shop db-2 --reason TEXT',
    '        → vmgroup mark-ready production/shop db-2 --reason TEXT',
  ]);
});

test('all members: each cause once, with the number of members that it holds', () => {
  expect(explained(stuck())).toEqual([
    'production/shop  PoweredOn  Waiting',
    '  db-2 is parked after 0 attempts, for 59s',
    '      Permanent: power-on/db-2 failed',
    '      → vmgroup retry production/shop db-2 --reason TEXT',
    '      → vmgroup skip production/shop db-2 --reason TEXT',
    '      → vmgroup mark-ready production/shop db-2 --reason TEXT',
    '    holds 3 other members: app-1, app-2, web',
  ]);
});

test('a delay says when it ends', () => {
  const world = new World().send(plan([tier([off('a')], { powerOnDelay: MINUTE })]));
  expect(explained(world, 'a')[1]).toMatch(
    /^ {2}a waits for a delay of 1m, until \d\d:\d\d:\d\d \(1m left\)$/,
  );
});

test('nothing holds members that are there', () => {
  const done = new World().send(plan([tier([off('a'), off('b')])])).pass();
  expect(explained(done)).toEqual([
    'production/shop  PoweredOn  Converged',
    '  nothing holds it: 2 of 2 members are PoweredOn',
  ]);
  expect(explained(done, 'a')[1]).toBe('  a is PoweredOn: nothing holds it');
});
