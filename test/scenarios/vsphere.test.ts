/**
 * Groups on a vCenter: `vmgroup up` on manifests whose VMs exist there, killed and started again.
 *
 * Guarantees: G1.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { DEFAULT_INVENTORY } from '../../api';
import type { RunOutcome } from '../../contract';
import { SimulatorConsole } from '../../platforms/simulated';
import { startSimulator } from '../../simulator';
import { buildWhenStale, start, vmgroup } from '../cli/vmgroup';
import { groupManifest, vmManifest } from '../support/manifests';
import { accepted, effects } from '../support/system';
import { startTemporal } from '../support/temporal';
import { until } from '../support/until';
import { loginTo, startVcenter, writeDatacenter, type TestVcenter } from '../support/vsphere';
import { freePort } from '../support/ports';

jest.setTimeout(240_000);

const TIERS = [{ members: ['db'], delay: '2s' }, { members: ['app-1', 'app-2'] }, { members: ['web'] }];
const NAMES = TIERS.flatMap(({ members }) => members);

let vcenter: TestVcenter;
let dir: string;
beforeAll(async () => {
  buildWhenStale();
  vcenter = await startVcenter();
});
beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-vsphere-'));
  writeDatacenter(dir, vcenter);
  for (const name of NAMES) await vcenter.create({ name });
});
afterEach(async () => {
  for (const name of NAMES) await vcenter.act(name, 'destroy');
  rmSync(dir, { recursive: true, force: true });
});
afterAll(async () => {
  await vcenter?.stop();
});

/** Writes a group of the VMs. */
function write(powerState: string): void {
  const group = groupManifest({ namespace: 'shop', name: 'shop', powerState, tiers: TIERS });
  const vms = NAMES.map((name) => vmManifest('shop', name, 'shop'));
  writeFileSync(path.join(dir, 'shop.yaml'), [group, ...vms].join('---\n'));
}

const UP = ['up', '.', '--platform', 'datacenter', '--exit-when-converged', '-o', 'json'];

/** The VMs whose power was changed by calls after the first `since`, in order. */
async function poweredBy(since: number): Promise<string[]> {
  const { journal } = await vcenter.calls();
  return journal
    .slice(since)
    .filter(({ method }) => /^Power|^Shutdown/.test(method))
    .map(({ vm }) => vm);
}

it('powers the tiers on in order, and off together', async () => {
  const before = (await vcenter.calls()).journal.length;
  write('PoweredOn');
  expect(await vmgroup(UP, { cwd: dir, env: loginTo(vcenter) })).toMatchObject({ code: 0 });
  // A call for several VMs appears in addition to the operation of each.
  const on = [...new Set(await poweredBy(before))];
  expect(on[0]).toBe('db');
  expect(on.slice(1, 3).sort()).toEqual(['app-1', 'app-2']);
  expect(on.slice(3)).toEqual(['web']);
  for (const name of NAMES) expect(await vcenter.vm(name)).toMatchObject({ operations: 1 });

  write('PoweredOff');
  expect(await vmgroup(UP, { cwd: dir, env: loginTo(vcenter) })).toMatchObject({ code: 0 });
  for (const name of NAMES) expect((await vcenter.vm(name)).effects).toEqual(['poweredOn', 'poweredOff']);
});

it('plan asks the platform for places, where the solver gives them and where DRS does', async () => {
  write('PoweredOn');
  const planned = async (): Promise<{ placements: { name: string; placement: object }[] }> => {
    const args = ['plan', '.', '--platform', 'datacenter', '-o', 'json'];
    const { stdout, stderr, code } = await vmgroup(args, { cwd: dir, env: loginTo(vcenter) });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [plan] = JSON.parse(stdout) as {
      placement: { placements: { name: string; placement: object }[] };
    }[];
    return plan?.placement ?? { placements: [] };
  };
  await vcenter.drs('off');
  const before = (await vcenter.calls()).journal.length;
  const hosts = new Map<string, string>();
  for (const name of NAMES) hosts.set(name, (await vcenter.vm(name)).host);
  const { placements } = await planned();
  expect(new Map(placements.map(({ name, placement }) => [name, placement]))).toEqual(
    new Map(NAMES.map((name) => [name, { zoneID: 'DC0_C0', node: hosts.get(name) }])),
  );
  expect((await vcenter.calls()).journal).toHaveLength(before);
  await vcenter.drs('fullyAutomated');
  expect((await planned()).placements.map(({ name }) => name).sort()).toEqual([...NAMES].sort());
});

/** A moment of a run, how it comes about, and what a person does after the kill. */
const MOMENTS: {
  when: string;
  prepare?: () => Promise<void>;
  come: () => Promise<boolean>;
  then?: () => Promise<void>;
}[] = [
  {
    when: 'a delay',
    come: async () => (await vcenter.vm('db')).power === 'poweredOn',
  },
  {
    when: 'a task',
    prepare: () => vcenter.behave('app-1', { slow: 4_000 }),
    come: async () => (await vcenter.vm('app-1')).operations > 0,
  },
  {
    when: 'a question',
    prepare: () =>
      vcenter.behave('app-1', {
        question: { id: 'q', text: 'Was it moved or copied?', choices: { '1': 'I Moved It' } },
      }),
    come: async () => (await vcenter.vm('app-1')).operations > 0,
    // A user answers in the vSphere Client.
    then: () => vcenter.behave('app-1', {}),
  },
];

function startUp(): ReturnType<typeof start> {
  const child = start(UP, { cwd: dir, env: loginTo(vcenter) });
  child.stdout.resume();
  child.stderr.resume();
  return child;
}

async function expectOnceInOrder(before: number): Promise<void> {
  for (const name of NAMES)
    expect(await vcenter.vm(name)).toMatchObject({ operations: 1, effects: ['poweredOn'] });
  // A vCenter that was killed has forgotten the calls before.
  const on = [...new Set(await poweredBy(before))];
  expect([on.indexOf('db') <= 0, on.at(-1)]).toEqual([true, 'web']);
}

describe.each(MOMENTS)('in $when', ({ prepare, come, then, when }) => {
  beforeEach(async () => {
    await prepare?.();
    write('PoweredOn');
  });

  it('kill -9 of worker and bridge: the next start continues, in order, and no VM gets a second operation', async () => {
    const before = (await vcenter.calls()).journal.length;
    const first = startUp();
    await until(come, `${when} to come`, { seconds: 90 });
    first.kill('SIGKILL');
    const ended = vmgroup(UP, { cwd: dir, env: loginTo(vcenter) });
    await then?.();
    expect(await ended).toMatchObject({ code: 0 });
    await expectOnceInOrder(before);
  });

  it('kill -9 of vCenter: the run continues, in order, and no VM gets a second operation', async () => {
    const running = vmgroup(UP, { cwd: dir, env: loginTo(vcenter) });
    await until(come, `${when} to come`, { seconds: 90 });
    await vcenter.kill();
    await vcenter.restart();
    await then?.();
    expect(await running).toMatchObject({ code: 0 });
    await expectOnceInOrder(0);
  });
});

it('tiers on two platforms: kill -9 of the worker of one of them in its task, and while it probes', async () => {
  const temporal = await startTemporal();
  const data = path.join(dir, 'simulator');
  mkdirSync(data);
  const simulator = await startSimulator({ dataDir: data, inventory: DEFAULT_INVENTORY });
  const console = new SimulatorConsole(simulator.address);
  const service = createServer((socket) => void socket.on('error', () => undefined));
  const processes: ReturnType<typeof start>[] = [];
  const run = (...args: string[]): ReturnType<typeof start> => {
    const where = ['--temporal', temporal.address, '--simulator', simulator.address, '--health-port', '0'];
    const child = start([...args, ...where], { cwd: dir, env: loginTo(vcenter) });
    child.stdout.resume();
    child.stderr.resume();
    processes.push(child);
    return child;
  };
  try {
    await vcenter.behave('app-1', { slow: 4_000 });
    const tiers = [{ members: ['db'] }, { members: ['app-1'] }, { members: ['web'] }];
    const there = { annotations: { 'vmgroup.dev/platform': 'datacenter' } };
    const app = parse(vmManifest('shop', 'app-1', 'shop')) as { metadata: object; spec: object };
    const port = await freePort();
    const readinessProbe = { tcpSocket: { port, host: '127.0.0.1' }, periodSeconds: 1, timeoutSeconds: 1 };
    writeFileSync(
      path.join(dir, 'group.yaml'),
      [
        groupManifest({ namespace: 'shop', name: 'shop', powerState: 'PoweredOn', tiers }),
        stringify({
          ...app,
          metadata: { ...app.metadata, ...there },
          spec: { ...app.spec, readinessProbe },
        }),
        ...['db', 'web'].map((name) => vmManifest('shop', name, 'shop')),
      ].join('---\n'),
    );
    run('bridge', 'group.yaml', '--platforms', 'platform.yaml', '--data', 'data');
    run('worker');
    const remote = (): ReturnType<typeof start> =>
      run('worker', '--platforms', 'platform.yaml', '--at', 'datacenter');
    const first = remote();
    await until(async () => (await vcenter.vm('app-1')).operations > 0, 'the task of app-1', {
      seconds: 120,
    });
    first.kill('SIGKILL');
    expect(effects(await console.journal(), 'shop')).toEqual(['PoweredOn db']);
    const second = remote();
    const handle = temporal.client.workflow.getHandle('vmgroup/shop/shop');
    const beats = async (): Promise<string> => {
      const { pendingActivities } = (await handle.describe()).raw;
      const payloads = pendingActivities?.flatMap((each) => each.heartbeatDetails?.payloads ?? []) ?? [];
      return payloads.map(({ data }) => Buffer.from(data ?? []).toString()).join();
    };
    await until(async () => (await beats()).includes('connection refused'), 'the probe', { seconds: 120 });
    second.kill('SIGKILL');
    service.listen(port, '127.0.0.1');
    remote();
    const outcome = (await handle.result()) as RunOutcome;
    expect(outcome).toMatchObject({ outcome: 'Converged', exceptions: [] });
    expect(accepted(await console.journal(), 'shop')).toEqual(['PoweredOn db', 'PoweredOn web']);
    expect(await vcenter.vm('app-1')).toMatchObject({ operations: 1, effects: ['poweredOn'] });
    expect(await vcenter.vm('web')).toMatchObject({ operations: 0 });
  } finally {
    for (const child of processes) child.kill('SIGKILL');
    service.close();
    console.close();
    await simulator.close();
    await temporal.stop();
  }
});
