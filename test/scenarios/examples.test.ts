/** Each example runs to its end, with its real delays, all of them side by side in one system. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { editPowerState, parseManifests } from '../../api';
import type { RunOutcome } from '../../contract';
import { EXAMPLES, exampleFolders } from '../support/examples';
import { effects, startSystem, times, type System } from '../support/system';
import { serveExample } from '../support/services';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(400_000);

const folders = exampleFolders();

/** Every file of every example, by a flat name. */
function allFiles(): Record<string, string> {
  const files: Record<string, string> = {};
  // Its VMs are real: scenarios/libvirt.test.ts.
  for (const folder of folders.filter((name) => name !== 'libvirt')) {
    for (const file of readdirSync(path.join(EXAMPLES, folder))) {
      if (/\.(ya?ml|json)$/.test(file)) {
        files[`${folder}--${file}`] = readFileSync(path.join(EXAMPLES, folder, file), 'utf8');
      }
    }
  }
  return files;
}

const files = allFiles();
const { manifests } = parseManifests(Object.entries(files).map(([name, text]) => ({ path: name, text })));
const drivers = manifests.groups.filter(
  (group) => group.powerState !== undefined && group.groupName === undefined,
);

/** Names of the VMs below a group, tier by tier. */
function tiersOf(name: string, namespace: string): string[][] {
  const group = manifests.groups.find((each) => each.name === name && each.namespace === namespace);
  return (group?.tiers ?? []).map(({ members }) =>
    members.flatMap((member) =>
      member.kind === 'VirtualMachine' ? [member.name] : tiersOf(member.name, namespace).flat(),
    ),
  );
}

let temporal: TestTemporal;
let system: System;
const ends: Record<string, RunOutcome> = {};

let endServices: () => void;
beforeAll(async () => {
  endServices = await serveExample();
  temporal = await startTemporal();
  system = await startSystem(temporal, files);
  // Those that stand by, powered off, are powered on: that is what they are for.
  for (const group of drivers.filter(({ powerState }) => powerState === 'PoweredOff')) {
    for (const [file, text] of Object.entries(files)) {
      if (!text.includes(`name: ${group.name}\n`) || !text.includes('kind: VirtualMachineGroup')) continue;
      files[file] = editPowerState(text, group, 'PoweredOn');
      system.write(file, files[file]);
    }
  }
  await Promise.all(
    drivers.map(async ({ namespace, name }) => {
      ends[`${namespace}/${name}`] = await system.until(
        () => {
          const outcome = system.view(namespace, name)?.run?.outcome;
          return outcome?.powerState === 'PoweredOn' ? outcome : undefined;
        },
        `${namespace}/${name} to be on`,
        300,
      );
    }),
  );
});

afterAll(async () => {
  endServices?.();
  await system?.stop();
  await temporal?.stop();
});

it('there is an example of every case of the manual', () => {
  expect(folders.sort()).toEqual([
    'affinity',
    'companion',
    'dev-environment',
    'dr-site',
    'e-commerce-platform',
    'mixed-members',
    'nested',
    'probes',
    'three-tier-app',
    'vm-operator',
  ]);
});

describe.each(drivers.map(({ namespace, name, tiers }) => ({ namespace, name, tiers })))(
  '$namespace/$name',
  ({ namespace, name, tiers }) => {
    it('converges', () => {
      expect(ends[`${namespace}/${name}`]).toMatchObject({ outcome: 'Converged', exceptions: [] });
    });

    it('powers each VM on once, tier by tier, and keeps every delay', async () => {
      const journal = await system.journal();
      const order = tiersOf(name, namespace);
      const mine = effects(journal, namespace).filter((text) =>
        order.flat().includes(text.split(' ')[1] ?? ''),
      );
      expect(mine.sort()).toEqual(
        order
          .flat()
          .map((vm) => `PoweredOn ${vm}`)
          .sort(),
      );
      const seen = times(journal, namespace, 'PoweredOn');
      for (const [index, names] of order.entries()) {
        const before = order[index - 1];
        if (!before || names.length === 0) continue;
        const done = Math.max(...before.map((vm) => seen[vm]?.effect ?? NaN));
        const asked = Math.min(...names.map((vm) => seen[vm]?.asked ?? NaN));
        expect(asked - done).toBeGreaterThanOrEqual(tiers[index]?.powerOnDelay ?? 0);
      }
    });

    it('is Ready', async () => {
      const ready = await system.until(
        () =>
          system
            .view(namespace, name)
            ?.status.conditions.find(({ type, status }) => type === 'Ready' && status === 'True'),
        'Ready',
      );
      expect(ready).toMatchObject({
        reason: 'AllMembersReady',
        message: 'All group members are in desired state',
      });
    });
  },
);
