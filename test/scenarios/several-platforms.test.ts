/**
 * One group whose VMs are on two platforms, each with a worker of its own.
 *
 * Guarantees: G1, G8, G9.
 */
import { stringify } from 'yaml';
import { classManifest, groupManifest, policyManifest } from '../support/manifests';
import { effects, startSystem, times, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

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

it('the tier on one platform starts once the tier on the other one is done, and stops before it', async () => {
  const ns = 'two-sites';
  system = await startSystem(temporal, manifests(ns, 'PoweredOn'), {}, { sites: { west: {} } });
  const { west } = system.sites;
  await west?.startWorker();
  const outcome = await system.outcome(ns, 'app');
  expect(outcome).toMatchObject({ outcome: 'Converged', operations: 3 });
  const here = await system.journal();
  const there = (await west?.console.journal()) ?? [];
  expect(effects(here, ns)).toEqual(['PoweredOn db']);
  expect(effects(there, ns).sort()).toEqual(['PoweredOn web-1', 'PoweredOn web-2']);
  const first = times(here, ns, 'PoweredOn')['db'];
  const second = times(there, ns, 'PoweredOn')['web-1'];
  expect(second?.asked).toBeGreaterThanOrEqual(first?.effect ?? Infinity);

  system.write('app.yaml', manifests(ns, 'PoweredOff')['app.yaml'] ?? '');
  await system.outcome(ns, 'app', outcome.endedAt);
  expect(effects(await system.journal(), ns)).toEqual(['PoweredOn db', 'PoweredOff db']);
  expect(effects((await west?.console.journal()) ?? [], ns)).toContain('PoweredOff web-2');
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

it('a tier waits for the worker of its platform, and says so if nobody knows the platform', async () => {
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
  await system.until(() => ready()?.reason === 'NoPlatformWorker', 'the missing worker in the status');
  expect(ready()?.message).toContain(
    `no worker polls the task queue ${system.taskQueue}/west, so nothing is done on platform west; ` +
      'way out: vmgroup worker --platforms FILE --at west',
  );
  expect(system.events.map(({ reason }) => reason)).toContain('NoPlatformWorker');
  await system.sites['west']?.startWorker();
  expect(await system.outcome(ns, 'app')).toMatchObject({ outcome: 'Converged' });
});
