/**
 * Drift on a vCenter, which has no versions of its VMs, while the clock of one process is a day off: a VM that a run counts as done is powered
 * off behind its back, and powered on again.
 *
 * Guarantees: G4.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildWhenStale } from '../cli/vmgroup';
import { groupWithVms } from '../support/manifests';
import { shifted, startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { loginTo, startVcenter, writeDatacenter, type TestVcenter } from '../support/vsphere';

jest.setTimeout(240_000);

const DAY = 86_400_000;

let vcenter: TestVcenter;
let temporal: TestTemporal;
let dir: string;

beforeAll(async () => {
  buildWhenStale();
  [vcenter, temporal] = await Promise.all([startVcenter(), startTemporal()]);
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-vsphere-clocks-'));
  writeDatacenter(dir, vcenter);
});
afterAll(async () => {
  await temporal?.stop();
  await vcenter?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function startPart(args: string[], shift: number): Promise<Command> {
  const reach = ['--temporal', temporal.address, '--platforms', 'platform.yaml', '--platform', 'datacenter'];
  const env = { ...loginTo(vcenter), ...shifted(shift) };
  return startCommand([...args, '--health-port', '0', ...reach], dir, /"msg":"ready"/, env);
}

test.each([
  ['ahead', { worker: DAY, bridge: 0 }],
  ['behind', { worker: 0, bridge: -DAY }],
])('the %s one: in an open run, and once it has ended', async (name, shifts) => {
  const [db, app] = [`${name}-db`, `${name}-app`];
  for (const vm of [db, app]) await vcenter.create({ name: vm });
  const question = { id: app, text: 'Was it moved or copied?', choices: { '1': 'I Moved It' } };
  await vcenter.behave(app, { question });
  mkdirSync(path.join(dir, name));
  const tiers = [{ members: [db] }, { members: [app] }];
  const manifest = groupWithVms({ namespace: name, name: 'shop', powerState: 'PoweredOn', tiers });
  writeFileSync(path.join(dir, name, 'shop.yaml'), manifest);
  const [worker, bridge] = await Promise.all([
    startPart(['worker'], shifts.worker),
    startPart(['bridge', name, '--data', `${name}-data`], shifts.bridge),
  ]);
  const effects = async (vm: string): Promise<string[]> => (await vcenter.vm(vm)).effects ?? [];
  const powerOff = async (vm: string, back: string[]): Promise<void> => {
    await vcenter.act(vm, 'poweredOff');
    const isBack = async (): Promise<boolean> => (await effects(vm)).join() === back.join();
    await until(isBack, `${vm} to be on again`, { seconds: 90, context: () => bridge.output() });
  };
  try {
    await until(async () => (await vcenter.vm(app)).operations > 0, 'app to ask', { seconds: 90 });
    await powerOff(db, ['poweredOn', 'poweredOff', 'poweredOn']);
    // A user answers in the vSphere Client.
    await vcenter.behave(app, {});
    const run = temporal.client.workflow.getHandle(`vmgroup/${name}/shop`);
    expect(await run.result()).toMatchObject({ outcome: 'Converged', exceptions: [] });
    await powerOff(app, ['poweredOn', 'poweredOff', 'poweredOn']);
    expect(await effects(db)).toEqual(['poweredOn', 'poweredOff', 'poweredOn']);
  } finally {
    await Promise.all([worker.kill(), bridge.kill()]);
  }
});
