/**
 * What goes wrong with real guests in a group's run, as `vmgroup serve FOLDER` meets it: a disk that is missing, QEMU and libvirtd that are killed, a
 * suspend and a resume. The process is killed in each.
 *
 * Guarantees: G1, G8.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { workflowId, type RunOutcome } from '../../contract';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { startLibvirt, type TestLibvirt } from '../support/libvirt';
import { withoutLibvirt } from '../support/libvirt-parts';
import { groupWithVms, platformManifest, policyManifest } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

jest.setTimeout(240_000);

const NS = 'faults';

const why = withoutLibvirt();
if (why !== undefined) test.skip(`faults of real guests (left out: ${why})`, () => undefined);
else {
  let libvirt: TestLibvirt;
  let temporal: TestTemporal;
  let serve: Command;
  let dir: string;

  beforeAll(async () => {
    buildWhenStale();
    dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-libvirt-faults-'));
    mkdirSync(path.join(dir, 'manifests'));
    [libvirt, temporal] = await Promise.all([startLibvirt(), startTemporal()]);
    const hosts = [{ name: 'kvm1', socket: libvirt.socket, uri: 'qemu:///session' }];
    writeFileSync(path.join(dir, 'platform.yaml'), platformManifest('rack', { libvirt: { hosts } }));
    write('policy.yaml', policyManifest(NS, 'default', { guestShutdownTimeout: '60s' }));
    serve = await startCommand(
      [
        ...['serve', 'manifests', '--platform', 'rack', '--platforms', 'platform.yaml', '--data', 'data'],
        ...['--temporal', temporal.address],
      ],
      dir,
      /"msg":"ready"/,
    );
  }, 240_000);
  afterAll(async () => {
    await serve?.stop();
    await Promise.all([temporal?.stop(), libvirt?.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });

  function write(file: string, text: string): void {
    writeFileSync(path.join(dir, 'next'), text);
    renameSync(path.join(dir, 'next'), path.join(dir, 'manifests', file));
  }

  /** Asks for a power state of a group of VMs, each in a tier of its own. */
  function want(name: string, vms: readonly string[], powerState: string, policy = 'default'): void {
    const tiers = vms.map((vm) => ({ members: [vm] }));
    const annotations = { 'vmgroup.dev/policy': policy };
    write(`${name}.yaml`, groupWithVms({ namespace: NS, name, powerState, tiers, annotations }));
  }

  const eventually: typeof until = (look, saying) =>
    until(look, saying, { seconds: 120, every: 20, context: () => serve.output().slice(-3_000) });

  /** The end of a run of the group to a power state. */
  async function converged(name: string, powerState: string, after = 0): Promise<RunOutcome> {
    const { workflow } = temporal.client;
    const outcome = await eventually(async () => {
      const described = await workflow
        .getHandle(workflowId(NS, name))
        .describe()
        .catch(() => undefined);
      if (described?.status.name !== 'COMPLETED') return undefined;
      const ended = (await workflow.getHandle(described.workflowId, described.runId).result()) as RunOutcome;
      return ended.powerState === powerState && ended.endedAt > after ? ended : undefined;
    }, `the end of a run of ${name} to ${powerState}`);
    expect(outcome.outcome).toBe('Converged');
    return outcome;
  }
  async function killAndRestart(): Promise<void> {
    await serve.kill();
    await serve.restart();
  }
  /** What libvirt's log says of a VM's power. */
  const powers = (name: string): string[] =>
    [...libvirt.log(name).matchAll(/: (starting up|shutting down, reason=\w+)/g)].map(
      ([, what = '']) => what,
    );
  /** Processes of QEMU for a VM of this test. */
  const processesOf = (name: string): string[] =>
    readdirSync('/proc').filter((pid) => {
      const file = `/proc/${pid}/cmdline`;
      if (!/^\d+$/.test(pid) || !existsSync(file)) return false;
      const words = readFileSync(file, 'utf8');
      return words.includes(`guest=${name},`) && words.includes(libvirt.dir);
    });
  const on = async (name: string): Promise<boolean> =>
    (await libvirt.virsh('domstate', name).catch(() => '')).trim() === 'running';

  it('a missing disk parks the member and says which; retry after qemu-img create heals it', async () => {
    const disk = path.join(libvirt.dir, 'guest/late.img');
    await libvirt.define('late', { disk });
    await libvirt.define('next');
    const retries = { maximumAttempts: 2, initialInterval: '1s', maximumInterval: '1s' };
    write('quick.yaml', policyManifest(NS, 'quick', { retry: retries }));
    want('disk', ['late', 'next'], 'PoweredOn', 'quick');
    const data = ['--data', path.join(dir, 'data')];
    const shown = await eventually(async () => {
      const { stdout } = await vmgroup(['describe', `${NS}/disk`, ...data]);
      return /parked/i.test(stdout) ? stdout : undefined;
    }, 'the member to be parked');
    expect(shown).toContain('late.img');
    expect(powers('next')).toEqual([]);
    await killAndRestart();
    await promisify(execFile)('qemu-img', ['create', '-q', '-f', 'raw', disk, '1M']);
    chmodSync(disk, 0o666);
    const retry = await vmgroup(['retry', `${NS}/disk`, 'late', '--reason', 'the disk is there', ...data]);
    expect({ code: retry.code, said: retry.code === 0 ? '' : retry.stderr }).toEqual({ code: 0, said: '' });
    await converged('disk', 'PoweredOn');
    expect([await on('late'), await on('next')]).toEqual([true, true]);
    expect(powers('next')).toEqual(['starting up']);
  });

  it('QEMU that is killed is drift, and repaired: in a run, and after one; other VMs are left alone', async () => {
    await libvirt.define('victim');
    await libvirt.define('slow', { guest: 'linux' });
    await libvirt.define('idle');
    write(
      'ready.yaml',
      policyManifest(NS, 'ready', {
        gate: 'Ready',
        gateTimeout: '3m',
        tiers: [{ tier: 0, gate: 'PoweredOn' }],
      }),
    );
    want('drift', ['victim', 'slow'], 'PoweredOn', 'ready');
    await eventually(() => powers('slow').length > 0, 'the second tier to start');
    process.kill(libvirt.qemu('victim') ?? NaN, 'SIGKILL');
    await eventually(() => powers('victim').length > 1, 'libvirt to see it');
    await killAndRestart();
    const starts = (): number => powers('victim').filter((what) => what === 'starting up').length;
    await eventually(async () => starts() === 2 && (await on('victim')), 'victim to be on again');
    await converged('drift', 'PoweredOn');
    const killedAt = Date.now();
    process.kill(libvirt.qemu('victim') ?? NaN, 'SIGKILL');
    // libvirt calls it running until it has seen the end of the process.
    await eventually(async () => starts() === 3 && (await on('victim')), 'victim to be on again');
    await converged('drift', 'PoweredOn', killedAt);
    expect(starts()).toBe(3);
    expect(powers('slow')).toEqual(['starting up']);
  });

  it('libvirtd killed in the middle of an operation: no guest is started a second time while it runs, and it goes off once', async () => {
    await libvirt.define('tough', { guest: 'linux' });
    await libvirt.define('last');
    want('daemon', ['tough', 'last'], 'PoweredOn');
    await eventually(() => libvirt.qemu('tough') !== undefined, 'QEMU');
    await libvirt.kill();
    await killAndRestartWhileAway();
    await libvirt.restart();
    await converged('daemon', 'PoweredOn');
    expect([await on('tough'), await on('last')]).toEqual([true, true]);
    // A start that the daemon did not live to see is undone by the next daemon itself, with or without a word.
    expect(powers('tough').join()).toMatch(/^(starting up,(shutting down, reason=daemon,)?)?starting up$/);
    expect(processesOf('tough')).toHaveLength(1);
    await eventually(() => libvirt.serial('tough').includes('READY'), 'the guest to be up');

    const before = powers('tough').length;
    want('daemon', ['tough', 'last'], 'PoweredOff');
    await eventually(
      () => libvirt.serial('tough').includes('STOPPING') || powers('tough').length > before,
      'the shutdown',
    );
    await libvirt.kill();
    await libvirt.restart();
    await converged('daemon', 'PoweredOff');
    // It goes off once, which two daemons may tell: the one that was killed, and the next, which finds no process behind what it
    // remembers and has reasons of its own for that. A second shutdown or destroy would be ours.
    expect(powers('tough').slice(before).join()).toMatch(
      /^shutting down, reason=\w+(,shutting down, reason=(crashed|unknown|daemon))?$/,
    );
    expect(libvirt.serial('tough').split('STOPPING').length - 1).toBeLessThanOrEqual(1);
    expect([await on('tough'), await on('last')]).toEqual([false, false]);
  });

  /** It comes up although the host cannot be reached. */
  async function killAndRestartWhileAway(): Promise<void> {
    await killAndRestart();
    await eventually(
      () => serve.output().includes('lost a libvirt host, retrying'),
      'the lost host in the log',
    );
  }

  it('suspend and resume keep the uptime of a guest', async () => {
    await libvirt.define('sleeper', { guest: 'linux', mode: 'uptime' });
    const uptimes = (): number[] =>
      [...libvirt.serial('sleeper').matchAll(/UPTIME (\d+)/g)].map(([, text]) => Number(text));
    want('sleep', ['sleeper'], 'PoweredOn');
    await converged('sleep', 'PoweredOn');
    await eventually(() => uptimes().length > 2, 'the uptime');
    want('sleep', ['sleeper'], 'Suspended');
    await eventually(() => powers('sleeper').length > 1, 'the memory to be saved');
    await killAndRestart();
    await converged('sleep', 'Suspended');
    expect(powers('sleeper')).toEqual(['starting up', 'shutting down, reason=saved']);
    const before = uptimes().at(-1) ?? NaN;
    want('sleep', ['sleeper'], 'PoweredOn');
    await eventually(() => powers('sleeper').length > 2, 'QEMU');
    await killAndRestart();
    await converged('sleep', 'PoweredOn');
    await eventually(
      () => uptimes().length > 1 && !libvirt.serial('sleeper').includes('READY'),
      'more uptime',
    );
    expect(uptimes()[0]).toBeGreaterThanOrEqual(before);
    expect(powers('sleeper')).toHaveLength(3);
  });
}
