/**
 * Names that every object inherits. A VM, a group and a namespace may be called `constructor`, a label `toString` or `hasOwnProperty`: none of
 * them is found where nothing of that name was put.
 *
 * Guarantees: G3.
 */
import { stringify } from 'yaml';
import { groupManifest, groupWithVms, vmManifest } from '../support/manifests';
import { accepted, startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(120_000);

let temporal: TestTemporal;
let system: System;
beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(temporal, {});
});
afterAll(async () => {
  await system?.stop();
  await temporal?.stop();
});

const NAME = 'constructor';

test('a VM, a group, a nested group and a namespace of that name: placed, powered on, corrected, powered off', async () => {
  const manifests = (powerState: string): string =>
    [
      groupManifest({
        namespace: NAME,
        name: NAME,
        powerState,
        tiers: [{ members: [NAME] }, { members: ['group:valueof'] }],
      }),
      vmManifest(NAME, NAME, NAME),
      groupWithVms({ namespace: NAME, name: 'valueof', groupName: NAME, tiers: [{ members: ['tostring'] }] }),
    ].join('---\n');
  system.write('names.yaml', manifests('PoweredOn'));
  const on = await system.outcome(NAME, NAME);
  expect(on).toMatchObject({ outcome: 'Converged', exceptions: [] });
  expect(accepted(await system.journal(), NAME)).toEqual([`PoweredOn ${NAME}`, 'PoweredOn tostring']);
  const [member] = system.view(NAME, NAME)?.status.members ?? [];
  expect(member?.placement?.zoneID).toMatch(/^zone-/);
  expect(member?.conditions.map(({ type, status }) => `${type}=${status}`)).toContain('PlacementReady=True');

  // Drift is seen and corrected: what is counted for a VM of that name begins at nothing.
  await system.console.power({ namespace: NAME, name: NAME }, 'PoweredOff');
  await system.outcome(NAME, NAME, on.endedAt);
  expect(accepted(await system.journal(), NAME).at(-1)).toBe(`PoweredOn ${NAME}`);

  const before = Date.now();
  system.write('names.yaml', manifests('PoweredOff'));
  expect(await system.outcome(NAME, NAME, before)).toMatchObject({
    outcome: 'Converged',
    powerState: 'PoweredOff',
  });
});

test('labels of such names count where a VM has them, and only there', async () => {
  const apart = (key: string) => ({
    affinity: {
      vmAntiAffinity: {
        requiredDuringSchedulingPreferredDuringExecution: [
          {
            labelSelector: { matchExpressions: [{ key, operator: 'Exists' }] },
            topologyKey: 'topology.kubernetes.io/zone',
          },
        ],
      },
    },
  });
  const vm = (name: string, labels: Record<string, string>): string =>
    stringify({
      apiVersion: 'vmoperator.vmware.com/v1alpha5',
      kind: 'VirtualMachine',
      metadata: { name, namespace: 'labels', labels },
      spec: { groupName: 'app', ...apart('hasOwnProperty') },
    });
  // Four VMs keep apart from the one that has the label: three zones are enough, since the others may share one.
  const members = ['plain-1', 'plain-2', 'plain-3', 'labelled'];
  system.write(
    'labels.yaml',
    [
      groupManifest({ namespace: 'labels', name: 'app', powerState: 'PoweredOn', tiers: [{ members }] }),
      ...members.map((name) =>
        vm(name, name === 'labelled' ? { hasOwnProperty: 'x', toString: 'y' } : { valueOf: 'z' }),
      ),
    ].join('---\n'),
  );
  expect(await system.outcome('labels', 'app')).toMatchObject({ outcome: 'Converged' });
  const zones = (system.view('labels', 'app')?.status.members ?? []).map(
    ({ placement }) => placement?.zoneID,
  );
  expect(zones.slice(0, 3)).not.toContain(zones[3]);
});
