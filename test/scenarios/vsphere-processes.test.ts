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
import { buildWhenStale } from '../cli/vmgroup';
import { groupManifest, vmManifest } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { startVcenter, type TestVcenter } from '../support/vsphere';

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
  const caFile = path.join(dir, 'ca.pem');
  writeFileSync(caFile, vcenter.authority.certificate);
  writeFileSync(
    path.join(dir, 'platform.yaml'),
    stringify({
      apiVersion: 'vmgroup.dev/v1alpha1',
      kind: 'Platform',
      metadata: { name: 'datacenter' },
      spec: { vsphere: { address: vcenter.address.replace(/\/sdk$/, ''), caFile } },
    }),
  );
  const reach = ['--temporal', temporal.address, '--platforms', 'platform.yaml', '--platform', 'datacenter'];
  const env = { VMGROUP_VSPHERE_USER: vcenter.user, VMGROUP_VSPHERE_PASSWORD: vcenter.password };
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
  'kill -9 of the %s alone, in a delay, in a task and in a question: each run goes on, in order, and no VM gets a second operation',
  async (namespace, victim) => {
    await begin(namespace);
    await until(() => haveCome(namespace), 'the moments to come', { seconds: 90 });
    await victim().kill();
    // Somebody answers in the vSphere Client meanwhile.
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
