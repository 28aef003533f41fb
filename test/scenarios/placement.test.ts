/**
 * Placement by affinity rules, on a real Temporal server with the real worker, bridge and simulated platform.
 *
 * Guarantees: G5, G9.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { defaultPayloadConverter } from '@temporalio/common';
import { stringify } from 'yaml';
import { attemptFailed, type AttemptReport, type RunOutcome } from '../../contract';
import {
  classManifest,
  groupManifest,
  groupWithVms,
  policyManifest,
  vmManifest,
  webServerManifest,
  type GroupShape,
} from '../support/manifests';
import { effects, startSystem, type System } from '../support/system';
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

const ready = (namespace: string, member: string): string | undefined => {
  const found = system?.view(namespace, 'web')?.status.members.find(({ name }) => name === member);
  const condition = found?.conditions.find(({ type }) => type === 'PlacementReady');
  return condition && `${condition.status} ${condition.reason}: ${condition.message}`;
};

it('rules that cannot hold: nothing is powered on, the condition says which, and with another zone the run continues by itself', async () => {
  const names = ['web-1', 'web-2', 'web-3', 'web-4'];
  const ns = 'placement-conflict';
  const retry = { initialInterval: '1s', maximumInterval: '2s' };
  system = await startSystem(temporal, {
    'policy.yaml': policyManifest(ns, 'default', { retry }),
    'web.yaml': [
      groupManifest({ namespace: ns, name: 'web', powerState: 'PoweredOn', tiers: [{ members: names }] }),
      ...names.map((name) => webServerManifest(ns, name, 'web')),
    ].join('---\n'),
  });
  const why = await system.until(() => {
    const text = ready(ns, 'web-4');
    return text?.includes('may not share a zone') ? text : undefined;
  }, 'the reason in PlacementReady');
  expect(why).toMatch(/^False Pending: /);
  expect(why).toContain(
    `${ns}/web-1, ${ns}/web-2, ${ns}/web-3 and ${ns}/web-4 may not share a zone, and there are 3 zones for them`,
  );
  expect((await system.journal()).filter(({ type }) => type === 'call')).toEqual([]);

  const inventory = await system.console.inventory();
  const host = { name: 'zone-d-host', zone: 'zone-d', pool: 'zone-d-pool', cpus: 32, memory: 2 ** 37 };
  const datastores = inventory.datastores.map((each) => ({ ...each, zones: [...each.zones, 'zone-d'] }));
  await system.console.setInventory({ ...inventory, hosts: [...inventory.hosts, host], datastores });
  expect(await system.outcome(ns, 'web')).toMatchObject({ outcome: 'Converged', operations: 4 });
  const journal = await system.journal();
  const zones = journal.flatMap((line) =>
    line.type === 'place' && line.answer === 'Placed'
      ? line.vms.map(({ placement }) => placement?.zoneID)
      : [],
  );
  expect(zones.sort()).toEqual(['zone-a', 'zone-b', 'zone-c', 'zone-d']);
});

it('an aborted run gives back the room that it has not used, and the group that waits for it continues by itself', async () => {
  const ns = 'placement-aborted';
  const big = { className: 'big' };
  const group = (name: string, tiers: GroupShape['tiers']): string =>
    [
      groupManifest({ namespace: ns, name, powerState: 'PoweredOn', tiers }),
      ...tiers.flatMap(({ members }) => members.map((member) => vmManifest(ns, member, name, big))),
    ].join('---\n');
  const retry = { initialInterval: '500ms', maximumInterval: '1s' };
  system = await startSystem(temporal, {
    'base.yaml': [
      classManifest(ns, 'big', { cpus: 2, memory: '1Gi' }),
      policyManifest(ns, 'default', { retry }),
    ].join('---\n'),
  });
  const running = system;
  const inventory = await running.console.inventory();
  const hosts = [{ name: 'only', zone: 'zone-a', pool: 'pool-a', cpus: 6, memory: 2 ** 37 }];
  await running.console.setInventory({ ...inventory, hosts });
  running.write('shop.yaml', group('shop', [{ members: ['db'], delay: '1h' }, { members: ['app', 'web'] }]));
  await running.until(
    () => (running.view(ns, 'shop')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined),
    'the delay',
  );
  running.write('blog.yaml', group('blog', [{ members: ['cms', 'proxy'] }]));
  await running.until(
    async () =>
      (await running.journal()).some((line) => line.type === 'place' && line.class === 'NoCapacity')
        ? true
        : undefined,
    'the second group to find no room',
  );
  await running.say(ns, 'shop', 'abort');
  expect(await running.outcome(ns, 'shop')).toMatchObject({
    outcome: 'Cancelled',
    message: 'Aborted by alice: test; no place is kept for app, web',
    released: ['app', 'web'],
    placements: { db: { node: 'only' } },
  });
  expect(await running.outcome(ns, 'blog')).toMatchObject({ outcome: 'Converged', operations: 2 });
  const placed = (): unknown[] =>
    running.view(ns, 'shop')?.status.members.map(({ name, placement }) => [name, placement?.node]) ?? [];
  await running.until(
    () => (JSON.stringify(placed()) === '[["db","only"],["app",null],["web",null]]' ? true : undefined),
    'the status without the places',
  );
  expect(effects(await running.journal(), ns)).toEqual(['PoweredOn db', 'PoweredOn cms', 'PoweredOn proxy']);

  // Once there is room again, the group gets new places.
  const { endedAt } = await running.outcome(ns, 'shop');
  await running.console.setInventory({
    ...inventory,
    hosts: [...hosts, { name: 'more', zone: 'zone-a', pool: 'pool-a', cpus: 4, memory: 2 ** 37 }],
  });
  running.write('shop.yaml', group('shop', [{ members: ['db'] }, { members: ['app', 'web'] }]));
  expect(await running.outcome(ns, 'shop', endedAt)).toMatchObject({ outcome: 'Converged', operations: 2 });
});

it('RESOLVE-5: a group that is renamed in the middle of its power-on goes on under its new name', async () => {
  const namespace = 'placement-renamed';
  const named = (name: string, delay: string): string =>
    groupWithVms({
      namespace,
      name,
      powerState: 'PoweredOn',
      tiers: [{ members: ['a'], delay }, { members: ['b'] }],
    });
  const started = await startSystem(temporal, { 'web.yaml': named('before', '10m') });
  system = started;
  await started.until(
    async () => effects(await started.journal(), namespace).includes('PoweredOn a') || undefined,
    'the first tier',
  );
  system.write('web.yaml', named('after', '1s'));
  expect(await system.outcome(namespace, 'after')).toMatchObject({ outcome: 'Converged', exceptions: [] });
});

it('a platform that is away when a run is aborted holds its end up for seconds, and the outcome says what is not known', async () => {
  const ns = 'placement-away';
  const tiers = [{ members: ['db'], delay: '1h' }, { members: ['app'] }];
  system = await startSystem(temporal, {
    'app.yaml': groupWithVms({ namespace: ns, name: 'shop', powerState: 'PoweredOn', tiers }),
  });
  const running = system;
  await running.until(
    () => (running.view(ns, 'shop')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined),
    'the delay',
  );
  await running.stopPlatform();
  await running.say(ns, 'shop', 'abort');
  const outcome = (await running.handle(ns, 'shop').result()) as RunOutcome;
  expect(outcome).toMatchObject({ outcome: 'Cancelled', placements: { app: {} } });
  expect(outcome.message).toMatch(
    /^Aborted by alice: test; whether places are still kept for app is not known: give back the places of 1 VM: attempt 4 of 4: /,
  );
  expect(outcome.released).toBeUndefined();
});

/** What the attempts of a run failed with. */
async function failuresOf(running: System, namespace: string, name: string): Promise<string[]> {
  const { events } = await running.handle(namespace, name).fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => {
    if (signal?.signalName !== attemptFailed.name) return [];
    const { attempt } = defaultPayloadConverter.fromPayload<AttemptReport>(signal.input?.payloads?.[0] ?? {});
    return [`${attempt.class}: ${attempt.message}`];
  });
}

it('100 groups of 5 VMs that may not share a host start at the same moment on 20 hosts: no rule is broken, no host overcommitted', async () => {
  const ns = 'placement-burst';
  const groups = Array.from({ length: 100 }, (_, index) => `group-${index}`);
  const hosts = Array.from({ length: 20 }, (_, index) => ({
    name: `host-${index}`,
    zone: `zone-${'abc'[index % 3]}`,
    pool: 'pool-a',
    // Without the rules the large one would get several VMs of a group. With them it takes 100 of the 500, and the others have room for 456.
    cpus: index === 0 ? 220 : 24,
    memory: 500 * 2 ** 32,
  }));
  const membersOf = (group: string): string[] => ['a', 'b', 'c', 'd', 'e'].map((name) => `${group}-${name}`);
  const machine = (group: string, name: string): string => {
    const matchLabels = { group };
    const term = { labelSelector: { matchLabels }, topologyKey: 'kubernetes.io/hostname' };
    return stringify({
      apiVersion: 'vmoperator.vmware.com/v1alpha5',
      kind: 'VirtualMachine',
      metadata: { name, namespace: ns, labels: matchLabels },
      spec: {
        groupName: group,
        className: 'one',
        affinity: { vmAntiAffinity: { requiredDuringSchedulingPreferredDuringExecution: [term] } },
      },
    });
  };
  system = await startSystem(temporal, {
    'class.yaml': classManifest(ns, 'one', { cpus: 1, memory: '1Gi' }),
  });
  const running = system;
  const inventory = await running.console.inventory();
  await running.console.setInventory({ ...inventory, hosts });
  const text = groups.flatMap((group) => [
    groupManifest({
      namespace: ns,
      name: group,
      powerState: 'PoweredOn',
      tiers: [{ members: membersOf(group) }],
    }),
    ...membersOf(group).map((name) => machine(group, name)),
  ]);
  running.write('groups.yaml', text.join('---\n'));
  for (const group of groups)
    // All 500 VMs take two minutes of CPU time, beside whatever else runs.
    expect(await running.outcome(ns, group, 0, 800)).toMatchObject({
      outcome: 'Converged',
      operations: 5,
    });
  // The platform answers one call for places after another: a call behind a hundred others waits, and is not repeated. Calls about one VM
  // have a short limit, which a busy machine may exceed; they are repeated.
  const slow = /\/v1\/(?:power|vms\/\S+): no answer in \d+ ms/;
  for (const group of groups)
    expect((await failuresOf(running, ns, group)).filter((failure) => !slow.test(failure))).toEqual([]);

  const journal = await running.journal();
  const places = new Map<string, string | undefined>();
  for (const line of journal) {
    if (line.type !== 'place' || line.answer !== 'Placed') continue;
    for (const { vm, placement, sticky } of line.vms) {
      // A place is given once.
      expect(places.has(vm)).toBe(sticky === true);
      places.set(vm, placement?.node);
    }
  }
  for (const group of groups)
    expect(new Set(membersOf(group).map((name) => places.get(`${ns}/${name}`))).size).toBe(5);
  for (const { name, cpus } of hosts)
    expect([...places.values()].filter((place) => place === name).length).toBeLessThanOrEqual(cpus);
  expect(places.size).toBe(500);
}, 900_000);

it("the manual's examples: web servers on three zones, the cache on the host of an application server, those on hosts of their own", async () => {
  const folder = path.join(__dirname, '../../examples/affinity');
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  system = await startSystem(
    temporal,
    Object.fromEntries(files.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')])),
  );
  const placements = await system.until(() => {
    const views = ['app-tier', 'web-tier'].flatMap(
      (name) => system?.view('affinity', name)?.status.members ?? [],
    );
    const all = views.filter(({ placement }) => placement);
    return all.length === 7 ? new Map(all.map(({ name, placement }) => [name, placement])) : undefined;
  }, 'places of all VMs');
  const zonesOf = (names: string[]): unknown[] => names.map((name) => placements.get(name)?.zoneID).sort();
  const hostsOf = (names: string[]): (string | undefined)[] =>
    names.map((name) => placements.get(name)?.node);
  expect(zonesOf(['web-server-1', 'web-server-2', 'web-server-3'])).toEqual(['zone-a', 'zone-b', 'zone-c']);
  const servers = hostsOf(['app-server-1', 'app-server-2', 'app-server-3']);
  expect(new Set(servers).size).toBe(3);
  expect(servers).toContain(hostsOf(['app-cache'])[0]);
});
