/**
 * The batch commands of Temporal that `docs/how-to/many-stuck-vms.md` shows, as they stand there, on a real server.
 *
 * Guarantees: G7.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findTemporalCli } from '../../cli/temporal-server';
import type { MemberProgress } from '../../contract';
import { blocksOf, commandsOf } from '../docs/documents';
import { groupWithVms, policyManifest } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(180_000);

const PAGE = 'docs/how-to/many-stuck-vms.md';
const NS = 'production';
const POLICY = policyManifest(NS, 'default', {
  operationTimeout: '10s',
  retry: { maximumAttempts: 3, initialInterval: '10m', maximumInterval: '10m' },
});

let temporal: TestTemporal;
let system: System;

/** A group above a nested one, each with a VM that ignores power operations. */
function site(powerState: string): string {
  const more = { powerOffMode: 'Hard' };
  const above = {
    namespace: NS,
    name: 'site',
    powerState,
    tiers: [{ members: ['group:stores', 'app'] }],
    more,
  };
  const below = { namespace: NS, name: 'stores', groupName: 'site', tiers: [{ members: ['db'] }], more };
  return [groupWithVms(above), groupWithVms(below)].join('---\n');
}

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(
    temporal,
    { 'policy.yaml': POLICY, 'site.yaml': site('PoweredOn') },
    { faults: [{ type: 'Stuck' }] },
  );
});
afterAll(async () => {
  await system?.stop();
  await temporal?.stop();
});

/** Runs the command of the page that begins so, on the server of this test. */
async function shown(begin: string): Promise<string> {
  const commands = blocksOf(PAGE).flatMap((block) => commandsOf(PAGE, block));
  const found = commands.filter(({ words }) => words.join(' ').startsWith(`temporal ${begin}`));
  expect(found).toHaveLength(1);
  const { path } = await findTemporalCli();
  const args = [...(found[0]?.words.slice(1) ?? []), '--address', temporal.address];
  return (await promisify(execFile)(path, args)).stdout;
}

/** Waits until the VMs of both groups are so. */
async function bothAre(is: (member: MemberProgress) => boolean, saying: string): Promise<void> {
  await system.until(() => {
    const members = [
      ['site', 'app'],
      ['stores', 'db'],
    ].map(([group = '', vm = '']) =>
      system.view(NS, group)?.run?.progress?.members.find(({ member }) => member === vm),
    );
    return members.every((member) => member && is(member));
  }, saying);
}

const waitsForRetry = ({ attempt, lastError }: MemberProgress): boolean =>
  attempt === 2 && lastError?.class === 'OperationTimeout';

test('list, count, reset, unpause and cancel reach every run of a failover', async () => {
  await bothAre(waitsForRetry, 'the first failures');
  await system.until(async () => (await shown('workflow list')).includes(`vmgroup/${NS}/stores`), 'the list');
  expect(await shown('workflow list')).toContain(`vmgroup/${NS}/site`);
  expect(await shown('workflow count')).toContain('0');

  await system.console.setFaults([]);
  await shown('activity reset');
  expect(await system.outcome(NS, 'site')).toMatchObject({ outcome: 'Converged', words: [] });

  await system.console.setFaults([{ type: 'Stuck' }]);
  system.write('site.yaml', site('PoweredOff'));
  await bothAre(waitsForRetry, 'the failures of the way down');
  for (const [group = '', id = ''] of [
    ['site', 'power-off/app'],
    ['stores', 'power-off/db'],
  ])
    await temporal.client.workflowService.pauseActivity({
      namespace: 'default',
      identity: 'bob',
      id,
      execution: { workflowId: system.handle(NS, group).workflowId },
    });
  await bothAre(({ paused }) => paused?.by === 'bob', 'the pauses');
  await shown('activity unpause');
  await bothAre(({ paused }) => paused === undefined, 'their end');

  const before = Date.now();
  await shown('workflow cancel');
  for (const group of ['site', 'stores'])
    expect(await system.outcome(NS, group, before)).toMatchObject({ outcome: 'Cancelled' });
});
