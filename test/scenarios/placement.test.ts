/** Placement by affinity rules, on a real Temporal server with the real worker, bridge and simulated platform. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { groupManifest, policyManifest, webServerManifest } from '../support/manifests';
import { startSystem, type System } from '../support/system';
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

it('rules that cannot hold: nothing is powered on, the condition says which, and with another zone the run goes on by itself', async () => {
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
