/** What the history of a run holds, and that a run outlives its history. */
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { workflowId } from '../../contract';
import { groupManifest, groupWithVms, policyManifest, vmManifest } from '../support/manifests';
import { accepted, effects, startSystem, times, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(120_000);

let temporal: TestTemporal | undefined;
let system: System | undefined;

afterEach(async () => {
  await system?.stop();
  await temporal?.stop();
  system = temporal = undefined;
});

/** Everything in a history as text, payloads decoded. */
async function textOf(handle: ReturnType<System['handle']>): Promise<string> {
  const json = historyToJSON(await handle.fetchHistory());
  const decoded = [...json.matchAll(/"data": "([A-Za-z0-9+/=]+)"/g)].map(([, data]) =>
    Buffer.from(data ?? '', 'base64').toString('utf8'),
  );
  return [json, ...decoded].join('\n');
}

it('RUN-3: a run that continues as new loses no command, repeats no delay and asks no VM twice', async () => {
  // With so early a suggestion every execution continues as new after a step or two.
  temporal = await startTemporal({
    args: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=12'],
  });
  const ns = 'continued';
  const shape = {
    namespace: ns,
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['a', 'b'], delay: '6s' }, { members: ['c'], delay: '60s' }, { members: ['d'] }],
  };
  system = await startSystem(temporal, { 'app.yaml': groupWithVms(shape) });
  const running = system;
  await running.until(
    () => (running.view(ns, 'app')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined),
    'the delay',
  );
  for (let round = 0; round < 3; round += 1) {
    await running.say(ns, 'app', 'pause');
    await running.say(ns, 'app', 'resume');
  }
  await running.until(
    () => (running.view(ns, 'app')?.run?.progress?.tiers[2]?.phase === 'Delay' ? true : undefined),
    'the last delay',
  );
  await running.say(ns, 'app', 'skipDelay');
  const outcome = await running.outcome(ns, 'app');
  expect(outcome.outcome).toBe('Converged');
  expect(outcome.words.map(({ verb }) => verb)).toEqual([
    'pause',
    'resume',
    'pause',
    'resume',
    'pause',
    'resume',
    'skipDelay',
  ]);

  const journal = await running.journal();
  expect(accepted(journal, ns).sort()).toEqual(['PoweredOn a', 'PoweredOn b', 'PoweredOn c', 'PoweredOn d']);
  const seen = times(journal, ns, 'PoweredOn');
  const waited = (seen['c']?.asked ?? NaN) - Math.max(seen['a']?.effect ?? NaN, seen['b']?.effect ?? NaN);
  expect(waited).toBeGreaterThanOrEqual(6000);
  expect(waited).toBeLessThan(12_000);

  const runs: string[] = [];
  for await (const { status } of temporal.client.workflow.list({
    query: `WorkflowId = '${workflowId(ns, 'app')}'`,
  })) {
    runs.push(status.name);
  }
  expect(runs.filter((status) => status === 'CONTINUED_AS_NEW').length).toBeGreaterThan(1);
});

it('the history alone explains the run, and holds neither a secret nor the manifest of a VM', async () => {
  temporal = await startTemporal();
  const ns = 'evidence';
  system = await startSystem(temporal, {
    'policy.yaml': policyManifest(ns, 'default', { retry: { maximumAttempts: 2, initialInterval: '100ms' } }),
    'app.yaml': groupManifest({
      namespace: ns,
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['a'], delay: '1s' }, { members: ['b'] }],
    }),
    'a.yaml': vmManifest(ns, 'a', 'app', {
      bootstrap: { cloudInit: { cloudConfig: { password: 'hunter2-secret' } } },
    }),
    'b.yaml': vmManifest(ns, 'b', 'app', { imageName: 'ubuntu-never-in-history' }),
  });
  const running = system;
  await running.console.setFaults([{ type: 'TransientError', vm: `${ns}/b` }]);
  await running.until(
    () =>
      running.view(ns, 'app')?.run?.progress?.members.some(({ phase }) => phase === 'Parked')
        ? true
        : undefined,
    'b to be parked',
  );
  await running.console.setFaults([]);
  await running.say(ns, 'app', 'retryMember', 'b');
  await running.outcome(ns, 'app');
  const text = await textOf(running.handle(ns, 'app'));
  // The plan that was executed: members, tiers, delays, policy, revision.
  expect(text).toMatch(/"revision":"[0-9a-f]+"/);
  expect(text).toContain('"powerOnDelay":1000');
  expect(text).toContain('"maximumAttempts":2');
  // Each attempt's class of error, and each operator's word.
  expect(text).toMatch(/"attempt":1,"at":\d+,"class":"Transient"/);
  expect(text).toMatch(/"attempt":2,"at":\d+,"class":"Transient"/);
  expect(text).toContain('"actor":"alice"');
  expect(text).not.toContain('hunter2-secret');
  expect(text).not.toContain('ubuntu-never-in-history');
  expect(effects(await running.journal(), ns)).toEqual(['PoweredOn a', 'PoweredOn b']);
});
