/**
 * One group whose VMs are on two platforms, each with a worker of its own.
 *
 * Guarantees: G1, G8, G9.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { editPowerState } from '../../api';
import { checkRuns } from '../../cli/doctor/runs';
import { EXAMPLES } from '../support/examples';
import type { VirtualMachineRef } from '../../contract';
import { SimulatedPlatform } from '../../platforms/simulated';
import { classManifest, groupManifest, groupWithVms, policyManifest } from '../support/manifests';
import { effects, startSystem, times, type System } from '../support/system';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

jest.setTimeout(180_000);

let temporal: TestTemporal;
let system: System | undefined;

beforeAll(async () => {
  temporal = await startTemporal();
});
afterEach(async () => {
  await system?.stop();
  system = undefined;
});
afterAll(async () => {
  await temporal?.stop();
});

/** A VM of class `small` in the group `app`, on a platform. */
function vmOn(namespace: string, name: string, platform?: string): string {
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachine',
    metadata: { name, namespace, annotations: platform ? { 'vmgroup.dev/platform': platform } : {} },
    spec: { groupName: 'app', className: 'small' },
  });
}

/** The database on the default platform, the web servers on `west`. */
function manifests(namespace: string, powerState: string): Record<string, string> {
  const tiers = [{ members: ['db'] }, { members: ['web-1', 'web-2'] }];
  return {
    'policy.yaml': policyManifest(namespace, 'default', {
      retry: { initialInterval: '1s', maximumInterval: '1s' },
    }),
    'app.yaml': groupManifest({ namespace, name: 'app', powerState, tiers }),
    'vms.yaml': [
      classManifest(namespace, 'small', { cpus: 2, memory: '4Gi' }),
      vmOn(namespace, 'db'),
      vmOn(namespace, 'web-1', 'west'),
      vmOn(namespace, 'web-2', 'west'),
    ].join('---\n'),
  };
}

it('examples/two-sites: each tier starts once the tier on the other platform is done, and stops before it', async () => {
  const ns = 'two-sites';
  const files = Object.fromEntries(
    ['group.yaml', 'virtual-machines.yaml'].map((file) => [
      file,
      readFileSync(path.join(EXAMPLES, ns, file), 'utf8'),
    ]),
  );
  system = await startSystem(temporal, files, {}, { sites: { west: {} } });
  const { west } = system.sites;
  await west?.startWorker();
  const outcome = await system.outcome(ns, 'checkout');
  expect(outcome).toMatchObject({ outcome: 'Converged', operations: 4 });
  const here = await system.journal();
  const there = (await west?.console.journal()) ?? [];
  expect(effects(here, ns)).toEqual(['PoweredOn ledger']);
  const [first, ...others] = effects(there, ns);
  expect(first).toBe('PoweredOn standby-db');
  expect(others.sort()).toEqual(['PoweredOn checkout-1', 'PoweredOn checkout-2']);
  const seen = times(there, ns, 'PoweredOn');
  const ledger = times(here, ns, 'PoweredOn')['ledger'];
  expect(seen['standby-db']?.asked).toBeGreaterThanOrEqual(ledger?.effect ?? Infinity);
  expect(seen['checkout-1']?.asked).toBeGreaterThanOrEqual((seen['standby-db']?.effect ?? Infinity) + 2_000);

  const group = { namespace: ns, name: 'checkout' };
  system.write('group.yaml', editPowerState(files['group.yaml'] ?? '', group, 'PoweredOff'));
  await system.outcome(ns, 'checkout', outcome.endedAt);
  expect(effects(await system.journal(), ns)).toEqual(['PoweredOn ledger', 'PoweredOff ledger']);
  expect(effects((await west?.console.journal()) ?? [], ns)).toContain('PoweredOff checkout-2');
});

it('nothing starts on one platform while the other has no room, and an abort gives back the room of both', async () => {
  const ns = 'half-placed';
  const tiny = [{ name: 'w1', zone: 'w', pool: 'w', cpus: 3, memory: 2 ** 33 }];
  const datastores = [{ name: 'd', id: 'd', zones: ['w'], capacity: 2 ** 40 }];
  system = await startSystem(
    temporal,
    manifests(ns, 'PoweredOn'),
    {},
    { sites: { west: { hosts: tiny, datastores } } },
  );
  const { west } = system.sites;
  await west?.startWorker();
  await system.until(() => {
    const placing = system?.view(ns, 'app')?.run?.progress?.placement;
    return JSON.stringify(placing ?? null).includes('NoCapacity');
  }, 'the refusal of the platform without room');
  expect(effects(await system.journal(), ns)).toEqual([]);
  await system.say(ns, 'app', 'abort');
  const outcome = await system.outcome(ns, 'app');
  expect(outcome.outcome).toBe('Cancelled');
  expect(outcome.released?.sort()).toEqual(['db', 'web-1', 'web-2']);
  expect(effects(await system.journal(), ns)).toEqual([]);
});

it('G8: started while one site is away: groups of the other are powered, and nothing is claimed of VMs that cannot be seen', async () => {
  const ns = 'site-away';
  const meta = { namespace: ns, name: 'far', uid: 'uid-far' };
  let proxy: TcpProxy | undefined;
  const reachSite = async (address: string): Promise<string> => {
    await powerOn(address, meta);
    proxy = await startTcpProxy(new URL(address).host);
    proxy.cut();
    return `http://${proxy.address}`;
  };
  system = await startSystem(
    temporal,
    {
      'policy.yaml': policyManifest(ns, 'default', {
        retry: { initialInterval: '1s', maximumInterval: '1s' },
      }),
      'near.yaml': groupWithVms({
        namespace: ns,
        name: 'near',
        powerState: 'PoweredOn',
        tiers: [{ members: ['db'] }],
      }),
      'app.yaml': groupManifest({
        namespace: ns,
        name: 'app',
        powerState: 'PoweredOff',
        tiers: [{ members: ['far'] }],
      }),
      'far.yaml': stringify({
        apiVersion: 'vmoperator.vmware.com/v1alpha5',
        kind: 'VirtualMachine',
        metadata: { ...meta, annotations: { 'vmgroup.dev/platform': 'west' } },
        spec: { groupName: 'app' },
      }),
    },
    {},
    { sites: { west: {} }, reachSite },
  );
  try {
    expect(await system.outcome(ns, 'near')).toMatchObject({ outcome: 'Converged' });
    await system.sites['west']?.startWorker();
    const parked = await system.until(
      () => system?.view(ns, 'app')?.run?.progress?.members.find(({ phase }) => phase === 'Parked'),
      'far to be parked',
    );
    expect(parked.lastError).toMatchObject({ class: 'Transient' });
    const status = system.view(ns, 'app')?.status;
    expect(status?.members[0]).not.toHaveProperty('powerState');
    expect(status?.members[0]?.conditions.find(({ type }) => type === 'PowerStateSynced')).toMatchObject({
      status: 'False',
      reason: 'PowerOperationFailed',
    });
    expect(status?.conditions.find(({ type }) => type === 'Ready')?.status).toBe('False');

    proxy?.restore();
    await system.until(
      () => system?.view(ns, 'app')?.status.members[0]?.powerState === 'PoweredOn',
      'far to be seen',
    );
    await system.say(ns, 'app', 'retryMember', 'far');
    expect(await system.outcome(ns, 'app')).toMatchObject({ outcome: 'Converged' });
    expect(system.view(ns, 'app')?.status.members[0]?.powerState).toBe('PoweredOff');
  } finally {
    await proxy?.close();
  }
});

/** Creates a VM on a simulated platform that is on. */
async function powerOn(address: string, vm: VirtualMachineRef): Promise<void> {
  const platform = new SimulatedPlatform(address);
  try {
    const caller = 'test';
    await platform.place([{ vm, cpus: 1, memory: 1 }], { caller });
    const operation = { id: 'test', sequence: 1 };
    await platform.power({ vm, operation, powerState: 'PoweredOn', guestShutdownTimeout: 0, caller });
    await until(async () => (await platform.read(vm))?.status.powerState === 'PoweredOn');
  } finally {
    await platform.close();
  }
}

it('a tier waits for the worker of its platform, and says so if the platform is unknown', async () => {
  const ns = 'no-worker';
  const files = manifests(ns, 'PoweredOn');
  const moved = files['vms.yaml']?.replace('west', 'nowhere') ?? '';
  system = await startSystem(temporal, { ...files, 'vms.yaml': moved }, {}, { sites: { west: {} } });
  const message = await system.until(() => {
    const text = JSON.stringify(system?.view(ns, 'app')?.status ?? null);
    return text.includes('there is no platform nowhere') ? text : undefined;
  }, 'the unknown platform in the status');
  expect(message).toContain('there are west and the default one');
  expect(effects(await system.journal(), ns)).toEqual([]);

  system.write('vms.yaml', files['vms.yaml'] ?? '');
  const ready = (): { reason: string; message: string } | undefined =>
    system?.view(ns, 'app')?.status.conditions.find(({ type }) => type === 'Ready');
  // The unknown platform has no worker either, and is shown until the run has the new plan.
  const names = (platform: string): boolean => ready()?.message.includes(`platform ${platform};`) ?? false;
  await system.until(
    () => ready()?.reason === 'NoPlatformWorker' && names('west'),
    'the missing worker in the status',
  );
  expect(ready()?.message).toContain(
    `no worker polls the task queue ${system.taskQueue}/west, so nothing is done on platform west; ` +
      'way out: vmgroup worker --platforms FILE --at west',
  );
  expect(system.events.map(({ reason }) => reason)).toContain('NoPlatformWorker');
  const checks = await checkRuns(temporal.client, '');
  expect(checks.find(({ check }) => check === `run ${ns}/app`)).toMatchObject({
    result: 'problem',
    message: `no worker polls the task queue ${system.taskQueue}/west, so nothing is done on platform west`,
    cure: 'vmgroup worker --platforms FILE --at west',
    facts: { kind: 'NoPlatformWorker', workflowId: `vmgroup/${ns}/app` },
  });
  expect(checks.at(-1)).toMatchObject({ check: 'runs', result: 'problem', facts: { waiting: 1 } });
  await system.sites['west']?.startWorker();
  expect(await system.outcome(ns, 'app')).toMatchObject({ outcome: 'Converged' });
});
