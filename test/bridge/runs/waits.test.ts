import { withWaits } from '../../../bridge';
import type { MemberProgress } from '../../../contract';
import { outcome, progressOf } from '../fixtures';
import { plan, seen, tier } from '../../workflows/plans';

test('what an attempt waits for is shown with its member, while that is in progress and not paused', () => {
  const of = plan([tier([seen('a', 'PoweredOff'), seen('b', 'PoweredOff'), seen('c', 'PoweredOff')])]);
  const member = (name: string, more: Partial<MemberProgress>): MemberProgress => ({
    member: name,
    tier: 0,
    phase: 'InProgress',
    since: 1,
    activityId: `power-on/${name}`,
    ...more,
  });
  const paused = { at: 1, by: 'ann', reason: '' };
  const progress = progressOf(of, {
    members: [
      member('a', { waitsFor: 'PoweredOn and its probe' }),
      member('b', { waitsFor: 'an operator to unpause', paused }),
      member('c', { phase: 'Done' }),
    ],
    outcome: outcome(of),
  });
  const text = 'tcp 10.0.0.5:5432: connection refused';
  const waits = { 'power-on/a': text, 'power-on/b': text, 'power-on/c': text, 'power-on/gone': text };
  expect(withWaits(progress, waits).members.map(({ waitsFor }) => waitsFor)).toEqual([
    `PoweredOn and its probe (${text})`,
    'an operator to unpause',
    undefined,
  ]);
  expect(withWaits(progress, {})).toEqual(progress);
});
