/** Guarantees: G8. */
import { resolveTrees, type RunHealth } from '../../../bridge';
import { pauseReports } from '../../../bridge/runs/pauses';
import type { Plan } from '../../../contract';
import { group, manifests, progressOf, tier, vm } from '../fixtures';

const [plan] = resolveTrees(
  manifests({
    groups: [group('app', [tier(['a'])], { powerState: 'PoweredOn' })],
    virtualMachines: [vm('a', 'app')],
  }),
) as [Plan];
const pause = { at: 5, by: 'ann', reason: 'look at the host' };
const health: RunHealth = { paused: [{ activityId: 'power-on/a', activityType: 'powerOn', ...pause }] };
const known = (paused?: typeof pause) => {
  const progress = progressOf(plan);
  const [member] = progress.members;
  return {
    ...progress,
    members: member ? [{ ...member, activityId: 'power-on/a', ...(paused && { paused }) }] : [],
  };
};
const begun = { activityId: 'power-on/a', paused: pause };
const over = { activityId: 'power-on/a', paused: null };

describe('reports of paused activities to a run', () => {
  test.each([
    ['a pause that it does not know', health, known(), new Map(), [begun]],
    ['not one that was reported to it', health, known(), new Map([['power-on/a', pause]]), []],
    ['not one that it knows, after a restart of the bridge', health, known(pause), new Map(), []],
    ['another pause of the same activity', health, known({ ...pause, at: 1 }), new Map(), [begun]],
    ['that a pause is over, after a restart of the bridge too', undefined, known(pause), new Map(), [over]],
    [
      'that a pause of an activity without a member is over',
      undefined,
      known(),
      new Map([['power-on/a', pause]]),
      [over],
    ],
    ['not twice that it is over', undefined, known(pause), new Map([['power-on/a', null]]), []],
    ['nothing where there is nothing', undefined, known(), new Map(), []],
  ])('%s', (_what, now, progress, reported, reports) => {
    expect(pauseReports(now, progress, reported)).toEqual(reports);
  });
});
