/** Guarantees: G4. */
import { hear } from '../../../bridge/runs/heard-members';
import type { MemberProgress } from '../../../contract';
import { group, manifests, progressOf, tier, vm } from '../fixtures';
import { resolveTrees } from '../../../bridge';

const [plan] = resolveTrees(
  manifests({
    groups: [group('app', [tier(['a'])], { powerState: 'PoweredOn' })],
    virtualMachines: [vm('a', 'app')],
  }),
);
const said = (over: Partial<MemberProgress>) => {
  if (!plan) throw new Error('no plan');
  const member: MemberProgress = { member: 'a', tier: 0, phase: 'Done', since: 50, powerState: 'PoweredOn' };
  return progressOf(plan, { members: [{ ...member, ...over }] });
};

describe('when the bridge heard what a run reports about a member', () => {
  const first = hear(undefined, said({}), 1_000);

  test('is the time of the answer that said it first', () => {
    expect(first.get('a')).toEqual({ phase: 'Done', since: 50, powerState: 'PoweredOn', heardAt: 1_000 });
    expect(hear(first, said({ waitsFor: 'nothing' }), 2_000).get('a')).toMatchObject({ heardAt: 1_000 });
  });

  test.each<Partial<MemberProgress>>([{ phase: 'Parked' }, { since: 60 }, { version: '7' }])(
    'is reset by %j',
    (over) => {
      expect(hear(first, said(over), 2_000).get('a')).toMatchObject({ ...over, heardAt: 2_000 });
    },
  );

  test('is forgotten with the member', () => {
    expect(hear(first, { ...said({}), members: [] }, 2_000).size).toBe(0);
  });
});
