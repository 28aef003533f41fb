/**
 * An activity that is paused in Temporal: no event records it, and the status shows it all the same. On real parts.
 *
 * Guarantees: G7, G8.
 */
import { groupWithVms } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { workflowId } from '../../contract';

jest.setTimeout(180_000);

let temporal: TestTemporal;
let system: System;

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(
    temporal,
    {
      'app.yaml': groupWithVms({
        namespace: 'paused',
        name: 'app',
        powerState: 'PoweredOn',
        tiers: [{ members: ['b'] }],
      }),
    },
    { faults: [{ type: 'Stuck', vm: 'b' }] },
  );
});
afterAll(async () => {
  await system?.stop();
  await temporal?.stop();
});

const conditionOf = (type: string) =>
  system.view('paused', 'app')?.status.members[0]?.conditions.find((each) => each.type === type);

test('who paused it, why, and how to continue it are shown within 20 seconds, and no longer once it is unpaused', async () => {
  const execution = { workflowId: workflowId('paused', 'app') };
  const activity = { namespace: 'default', execution, id: 'power-on/b' };
  await system.until(
    () => system.view('paused', 'app')?.run?.progress?.members.find(({ phase }) => phase === 'InProgress'),
    'the operation to be open',
  );
  await temporal.client.workflowService.pauseActivity({
    ...activity,
    identity: 'ann',
    reason: 'look at the host',
  });
  const condition = await system.until(
    () => {
      const found = conditionOf('PowerStateSynced');
      return found?.reason === 'ActivityPaused' ? found : undefined;
    },
    'the pause to show',
    30,
  );
  expect(condition.message).toContain('by ann');
  expect(condition.message).toContain('look at the host');
  expect(condition.message).toContain(
    `temporal activity unpause -w vmgroup/paused/app --address ${temporal.address} --activity-id power-on/b`,
  );
  expect(system.events.map(({ reason }) => reason)).toContain('RunPaused');

  await temporal.client.workflowService.unpauseActivity({ ...activity, identity: 'ann' });
  await system.until(
    () => (conditionOf('PowerStateSynced')?.reason === 'Pending' ? true : undefined),
    'the pause to be over',
    30,
  );
  expect(system.events.map(({ reason }) => reason)).toContain('RunUnpaused');
  // Nothing of this is trouble with Temporal itself.
  expect(system.events.map(({ reason }) => reason)).not.toContain('TemporalUnreachable');
});
