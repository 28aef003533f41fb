/** Estimates in the background of a page: the past of a run is read once, and again for another run, another power state, or after a failed read. */
import { Estimates } from '../../../cli/groups';
import type { KnownGroup, PastRun } from '../../../insight';
import { knownGroup } from '../../insight/known';
import { until } from '../../support/until';
import { plan, SECOND, seen, tier } from '../../workflows/plans';
import { World } from '../../workflows/world';

const PAST: PastRun = {
  runId: 'past',
  powerState: 'PoweredOn',
  startedAt: 0,
  endedAt: 9 * SECOND,
  spans: { a: [0, 5 * SECOND] },
};

function open(runId: string, powerState: 'PoweredOn' | 'PoweredOff' = 'PoweredOn'): KnownGroup {
  const from = powerState === 'PoweredOn' ? 'PoweredOff' : 'PoweredOn';
  const world = new World(() => ({ takes: Infinity })).send(plan([tier([seen('a', from)])], { powerState }));
  const group = knownGroup(world);
  return { ...group, run: { ...(group.run as NonNullable<KnownGroup['run']>), runId } };
}

const ended = (group: KnownGroup): KnownGroup => ({
  ...group,
  run: { ...(group.run as NonNullable<KnownGroup['run']>), endedAt: 1 },
});

test('the past is read once for each run and power state', async () => {
  const reads: string[] = [];
  const estimates = new Estimates({
    of: async ({ run }) => {
      reads.push(`${run?.runId} ${run?.progress?.powerState}`);
      return [PAST];
    },
    close: async () => undefined,
  });
  const group = open('first');
  expect(estimates.of(group)).toBeUndefined();
  await until(() => estimates.of(group)?.runs === 1, 'the estimate');
  estimates.keepOnly([group]);
  expect(estimates.of(group)?.runs).toBe(1);
  await until(() => estimates.of(open('first', 'PoweredOff'))?.runs === 0, 'that of the other power state');
  await until(() => estimates.of(open('second'))?.runs === 1, 'that of the next run');
  expect(estimates.of(ended(group))).toBeUndefined();
  expect(reads).toEqual(['first PoweredOn', 'first PoweredOff', 'second PoweredOn']);

  estimates.keepOnly([ended(group)]);
  expect(estimates.of(open('second'))).toBeUndefined();
  await until(() => reads.length === 4, 'the next read');
  await estimates.close();
});

test('what could not be read is asked for again', async () => {
  const answers = [undefined, undefined, [PAST]];
  const estimates = new Estimates({ of: async () => answers.shift(), close: async () => undefined });
  await until(() => estimates.of(open('run'))?.runs === 1, 'the third answer');
  await estimates.close();
});
