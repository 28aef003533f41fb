/**
 * Groups on a vCenter with worker and bridge as processes of their own: each is killed alone, while one group is in a delay, one in a task, and
 * one in a question.
 *
 * Guarantees: G1.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import type { RunOutcome } from '../../contract';
import type { ShownDiff } from '../../cli/diff/text';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { groupManifest, vmManifest } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { loginTo, startVcenter, writeDatacenter, type TestVcenter } from '../support/vsphere';

jest.setTimeout(240_000);

/** Each is a group of this name, and its moment comes in the middle of its run. */
const MOMENTS = ['delay', 'task', 'question'] as const;
type Moment = (typeof MOMENTS)[number];
const MEMBERS = ['db', 'app', 'web'] as const;

let vcenter: TestVcenter;
let temporal: TestTemporal;
let dir: string;
let worker: Command;
let bridge: Command;

beforeAll(async () => {
  buildWhenStale();
  [vcenter, temporal] = await Promise.all([startVcenter(), startTemporal()]);
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-vsphere-processes-'));
  mkdirSync(path.join(dir, 'manifests'));
  writeDatacenter(dir, vcenter, { drsRules: true });
  const reach = ['--temporal', temporal.address, '--platforms', 'platform.yaml', '--platform', 'datacenter'];
  const env = loginTo(vcenter);
  const ready = /"msg":"ready"/;
  [worker, bridge] = await Promise.all([
    startCommand(['worker', ...reach, '--health-port', '0'], dir, ready, env),
    startCommand(['bridge', 'manifests', '--data', 'data', '--health-port', '0', ...reach], dir, ready, env),
  ]);
});
afterAll(async () => {
  await Promise.all([worker?.kill(), bridge?.kill()]);
  await temporal?.stop();
  await vcenter?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const vmName = (namespace: string, moment: Moment, member: string): string =>
  `${namespace}-${moment}-${member}`;

/** Writes three groups in a namespace, and what happens in their runs. */
async function begin(namespace: string): Promise<void> {
  for (const moment of MOMENTS) {
    const [db, app, web] = MEMBERS.map((member) => vmName(namespace, moment, member)) as [
      string,
      string,
      string,
    ];
    for (const name of [db, app, web]) await vcenter.create({ name });
    if (moment === 'task') await vcenter.behave(app, { slow: 10_000 });
    if (moment === 'question') {
      const question = { id: app, text: 'Was it moved or copied?', choices: { '1': 'I Moved It' } };
      await vcenter.behave(app, { question });
    }
    const tiers = [
      { members: [db], ...(moment === 'delay' && { delay: '10s' }) },
      { members: [app] },
      { members: [web] },
    ];
    const group = groupManifest({ namespace, name: moment, powerState: 'PoweredOn', tiers });
    const vms = [db, app, web].map((name) => vmManifest(namespace, name, moment));
    writeFileSync(path.join(dir, 'manifests', `${namespace}-${moment}.yaml`), [group, ...vms].join('---\n'));
  }
}

/** Whether all three groups are in their moments. */
async function haveCome(namespace: string): Promise<boolean> {
  const vm = (moment: Moment, member: string) => vcenter.vm(vmName(namespace, moment, member));
  const [delayed, next] = [await vm('delay', 'db'), await vm('delay', 'app')];
  const [working, asking] = [await vm('task', 'app'), await vm('question', 'app')];
  const begun = working.operations > 0 && asking.operations > 0;
  return begun && delayed.power === 'poweredOn' && next.operations === 0 && working.power === 'poweredOff';
}

/** The VMs of a group in the order in which they were powered on. */
async function order(namespace: string, moment: Moment): Promise<string[]> {
  const { journal } = await vcenter.calls();
  const own = MEMBERS.map((member) => vmName(namespace, moment, member));
  return [
    ...new Set(
      journal.flatMap(({ method, vm }) => (/^PowerOn/.test(method) && own.includes(vm) ? [vm] : [])),
    ),
  ];
}

test.each([
  ['worker', () => worker],
  ['bridge', () => bridge],
])(
  'kill -9 of the %s alone, in a delay, in a task and in a question: each run continues, in order, and no VM gets a second operation',
  async (namespace, victim) => {
    await begin(namespace);
    await until(() => haveCome(namespace), 'the moments to come', { seconds: 90 });
    await victim().kill();
    // Meanwhile a user answers in the vSphere Client.
    await vcenter.behave(vmName(namespace, 'question', 'app'), {});
    await victim().restart();
    for (const moment of MOMENTS) {
      const handle = temporal.client.workflow.getHandle(`vmgroup/${namespace}/${moment}`);
      const outcome = (await handle.result()) as RunOutcome;
      expect(outcome).toMatchObject({ outcome: 'Converged', exceptions: [] });
      const names = MEMBERS.map((member) => vmName(namespace, moment, member));
      expect(await order(namespace, moment)).toEqual(names);
      for (const name of names)
        expect(await vcenter.vm(name)).toMatchObject({ operations: 1, effects: ['poweredOn'] });
      const runs: string[] = [];
      for await (const { runId } of temporal.client.workflow.list({
        query: `WorkflowId = 'vmgroup/${namespace}/${moment}'`,
      }))
        runs.push(runId);
      expect(runs).toHaveLength(1);
    }
  },
);

/** A VM that is to be apart from the others of its namespace. */
function vmApart(namespace: string, name: string): string {
  const term = {
    labelSelector: { matchLabels: { app: namespace } },
    topologyKey: 'kubernetes.io/hostname',
  };
  const affinity = { vmAntiAffinity: { requiredDuringSchedulingPreferredDuringExecution: [term] } };
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachine',
    metadata: { name, namespace, labels: { app: namespace } },
    spec: { groupName: 'shop', affinity },
  });
}

test('DRS-3: DRS gets the rules of a group, and they go with the group, whose VMs stay on', async () => {
  const names = ['ruled-1', 'ruled-2'];
  for (const name of names) await vcenter.create({ name });
  const file = path.join(dir, 'manifests', 'ruled.yaml');
  const tiers = [{ members: names }];
  const group = groupManifest({ namespace: 'ruled', name: 'shop', powerState: 'PoweredOn', tiers });
  writeFileSync(file, [group, ...names.map((name) => vmApart('ruled', name))].join('---\n'));
  const isOn = async (name: string): Promise<boolean> => (await vcenter.vm(name)).power === 'poweredOn';
  await until(async () => (await isOn('ruled-1')) && isOn('ruled-2'), 'both to be on', { seconds: 90 });
  const rules = await vcenter.rules();
  expect(Object.values(rules).map((vms) => vms.sort())).toEqual([names]);
  expect(Object.keys(rules)[0]).toMatch(/^vmgroup\/ruled\/shop /);
  const handle = temporal.client.workflow.getHandle('vmgroup/ruled/shop');
  expect(await handle.result()).toMatchObject({ outcome: 'Converged' });
  rmSync(file);
  await until(async () => Object.keys(await vcenter.rules()).length === 0, 'the rules to be gone', {
    seconds: 60,
  });
  expect([await isOn('ruled-1'), await isOn('ruled-2')]).toEqual([true, true]);
});

test('diff asks vCenter for VMs that join, and for the places of those that have none', async () => {
  const [there, on, off] = ['changed-1', 'changed-2', 'changed-3'] as const;
  for (const name of [there, on, off]) await vcenter.create({ name });
  await vcenter.act(on, 'poweredOn');
  const group = (...members: string[]): string =>
    [
      groupManifest({
        namespace: 'changed',
        name: 'shop',
        powerState: 'PoweredOn',
        tiers: [{ members: [there], delay: '1s' }, { members: members.slice(1) }].filter(
          ({ members: { length } }) => length > 0,
        ),
      }),
      ...members.map((name) => vmManifest('changed', name, 'shop')),
    ].join('---\n');
  const file = path.join(dir, 'manifests', 'changed.yaml');
  writeFileSync(file, group(there));
  const isOn = async (name: string): Promise<boolean> => (await vcenter.vm(name)).power === 'poweredOn';
  await until(() => isOn(there), 'the first VM to be on', { seconds: 90 });
  await temporal.client.workflow.getHandle('vmgroup/changed/shop').result();

  const copy = path.join(dir, 'changed.yaml');
  writeFileSync(copy, group(there, on, off));
  const env = loginTo(vcenter);
  const words = ['diff', 'changed/shop', '-f', copy, '--data', 'data', '-o', 'json'];
  const before = (await vcenter.calls()).journal.length;
  const platform = ['--platforms', 'platform.yaml', '--platform', 'datacenter'];
  const { stdout, stderr, code } = await vmgroup([...words, ...platform], { cwd: dir, env });
  expect([code, stderr]).toEqual([0, '']);
  const [found] = JSON.parse(stdout) as ShownDiff[];
  expect(found).toMatchObject({ change: 'Changed', touched: [off], kept: [there, on] });
  expect(found?.placement).toMatchObject({ type: 'Placed', placements: [{ name: off }] });
  expect((await vcenter.calls()).journal).toHaveLength(before);
  // The process there has its platform on record.
  const recorded = await vmgroup(words, { cwd: dir, env });
  expect(recorded).toMatchObject({ code: 0, stdout });
  expect(recorded.stderr).toMatch(
    /^note: the default platform is datacenter, as for the vmgroup \w+ on data; .*\n$/,
  );
  // Without the password the platform cannot be asked.
  const unasked = await vmgroup([...words, ...platform], { cwd: dir });
  expect(unasked.stderr).toMatch(/^note: the platform of \d+ VMs cannot be asked \(.*VMGROUP_VSPHERE_/m);
  expect(JSON.parse(unasked.stdout)).toMatchObject([{ placement: { type: 'NotKnown' } }]);

  writeFileSync(file, group(there, on, off));
  await until(() => isOn(off), 'the change', { seconds: 90 });
  expect(await vcenter.vm(off)).toMatchObject({ effects: ['poweredOn'] });
  expect(await vcenter.vm(on)).toMatchObject({ operations: 0 });
});

test('G5, VSPHERE-8: without DRS members that are to be apart get hosts of their own, and a promise outlives the worker', async () => {
  await vcenter.drs('off');
  const names = ['apart-1', 'apart-2', 'apart-3'];
  for (const name of names) await vcenter.create({ name, host: 'DC0_C0_H0' });
  const tiers = [{ members: ['apart-1'], delay: '6s' }, { members: ['apart-2', 'apart-3'] }];
  const write = (powerState: string): void => {
    const group = groupManifest({ namespace: 'apart', name: 'shop', powerState, tiers });
    writeFileSync(
      path.join(dir, 'manifests', 'apart.yaml'),
      [group, ...names.map((name) => vmApart('apart', name))].join('---\n'),
    );
  };
  const places = async (): Promise<string[]> => {
    const records = await Promise.all(
      names.map(async (name) => (await vcenter.vm(name)).fields['vmgroup.place']),
    );
    return records.map((record) => (JSON.parse(record ?? '{}') as { host?: string }).host ?? '');
  };
  write('PoweredOn');
  const isOn = async (name: string): Promise<boolean> => (await vcenter.vm(name)).power === 'poweredOn';
  await until(() => isOn('apart-1'), 'the first tier', { seconds: 90 });
  const promised = await places();
  expect([...promised].sort()).toEqual(['DC0_C0_H0', 'DC0_C0_H1', 'DC0_C0_H2']);
  await worker.kill();
  await worker.restart();
  const handle = temporal.client.workflow.getHandle('vmgroup/apart/shop');
  expect(await handle.result()).toMatchObject({ outcome: 'Converged', exceptions: [] });
  const hosts = await Promise.all(names.map(async (name) => (await vcenter.vm(name)).host));
  expect(hosts).toEqual(promised);
  for (const name of names)
    expect(await vcenter.vm(name)).toMatchObject({ operations: 1, effects: ['poweredOn'] });
  expect(await places()).toEqual(promised);
});
