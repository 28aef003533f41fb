/** Estimates from the runs of a real server: none before the first run has ended, then its end, and none without the times of members. */
import { readPastRuns } from '../../bridge';
import { estimate } from '../../insight';
import { groupWithVms } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(180_000);

const NS = 'estimates';
const app = { namespace: NS, name: 'app' };

let temporal: TestTemporal;
let system: System;

function manifest(powerState: string): string {
  const tiers = [{ members: ['db'], delay: '1s' }, { members: ['web'] }];
  return groupWithVms({ ...app, powerState, tiers, more: { powerOffMode: 'Hard' } });
}

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(temporal, { 'app.yaml': manifest('PoweredOn') });
});
afterAll(async () => {
  await system?.stop();
  await temporal?.stop();
});

test('the spans of past runs are those of the journal, and the next run is estimated by them', async () => {
  const first = await system.outcome(NS, 'app');
  const past = await system.until(async () => {
    const runs = await readPastRuns(temporal.client, app, 'PoweredOn');
    return runs.length === 1 ? runs : undefined;
  }, 'the list');
  expect(past).toMatchObject([
    { powerState: 'PoweredOn', startedAt: first.startedAt, endedAt: first.endedAt },
  ]);
  const journal = await system.journal();
  for (const vm of ['db', 'web']) {
    const [began, ended] = past[0]?.spans[vm] ?? [NaN, NaN];
    const asked = journal.find((line) => line.type === 'call' && line.vm === `${NS}/${vm}`);
    const effect = journal.find((line) => line.type === 'effect' && line.vm === `${NS}/${vm}`);
    expect(began).toBeLessThanOrEqual(asked?.at ?? 0);
    expect(ended).toBeGreaterThanOrEqual(effect?.at ?? Infinity);
  }
  expect(await readPastRuns(temporal.client, app, 'PoweredOff')).toEqual([]);

  system.write('app.yaml', manifest('PoweredOff'));
  await system.outcome(NS, 'app', first.endedAt);
  await system.console.setFaults([{ type: 'Stuck', vm: `${NS}/db` }]);
  system.write('app.yaml', manifest('PoweredOn'));
  const progress = await system.until(() => {
    const open = system.view(NS, 'app')?.run?.progress;
    return open?.powerState === 'PoweredOn' && open.members[0]?.phase === 'InProgress' ? open : undefined;
  }, 'the second run');
  const now = progress.startedAt;
  const found = estimate(past, progress, now);
  expect(found).toMatchObject({ runs: 1, unknown: [] });
  expect((found.end?.median ?? 0) - now).toBeGreaterThanOrEqual(1_000);
  expect(estimate([], progress, now)).toMatchObject({ runs: 0, why: 'no past runs' });
});
