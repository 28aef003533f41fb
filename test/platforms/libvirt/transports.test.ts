/**
 * Hosts that are reached by TLS and by ssh, with a real peer each: a daemon that listens with certificates of the test's own, and an ssh server with a
 * key.
 *
 * Guarantees: G1.
 */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../support/ports';
import type { VirtualMachineRef } from '../../../contract';
import { Observer, type VirtualMachineState } from '../../../platforms';
import { LibvirtPlatform, surveyHost, type Transport } from '../../../platforms/libvirt';
import { buildWhenStale, start, vmgroup } from '../../cli/vmgroup';
import { createAuthority } from '../../support/certificates';
import { startLibvirt, type TestLibvirt } from '../../support/libvirt';
import { withoutLibvirt, withoutSsh } from '../../support/libvirt-parts';
import { groupWithVms, platformManifest } from '../../support/manifests';
import { startSshd, type TestSshd } from '../../support/sshd';
import { until } from '../../support/until';

jest.setTimeout(120_000);

const LIMIT = 60_000;
let libvirt: TestLibvirt;

const survey = (transport: Transport): Promise<string> =>
  surveyHost({ name: 'far', uri: 'qemu:///session', transport }, AbortSignal.timeout(20_000)).then(
    ({ libvirt: version }) => version,
    (error: unknown) => `refused: ${(error as Error).message}`,
  );

/** A VM is powered on and off; the daemon is killed in between, and followed again once it is back. */
async function powerOnAndOff(name: string, transport: Transport): Promise<void> {
  await libvirt.define(name);
  const platform = new LibvirtPlatform({ hosts: [{ name: 'far', uri: 'qemu:///session', transport }] });
  const observer = new Observer(platform);
  const vm: VirtualMachineRef = { namespace: 'prod', name, uid: `uid-${name}` };
  const seen = (holds: (state: VirtualMachineState) => boolean): Promise<VirtualMachineState> =>
    observer.until(vm, holds, AbortSignal.timeout(LIMIT));
  const ask = (powerState: 'PoweredOn' | 'PoweredOff', sequence: number): Promise<VirtualMachineState> =>
    platform.power({
      vm,
      powerState,
      operation: { id: `${name}-${sequence}`, sequence },
      guestShutdownTimeout: 30_000,
      caller: 'vmgroup/prod/far',
    });
  try {
    platform.track([vm]);
    await ask('PoweredOn', 1);
    await seen(({ status, operation }) => status.powerState === 'PoweredOn' && operation?.phase === 'Done');
    expect(libvirt.qemu(name)).toBeDefined();
    await libvirt.kill();
    await libvirt.restart();
    await platform.read(vm, AbortSignal.timeout(LIMIT)).catch(() => undefined);
    await libvirt.virsh('destroy', name);
    // There is no polling: the new connection reports it.
    await seen(({ status }) => status.powerState === 'PoweredOff');
    await ask('PoweredOn', 2);
    await seen(({ operation }) => operation?.id === `${name}-2` && operation.phase === 'Done');
    await ask('PoweredOff', 3);
    await seen(({ status }) => status.powerState === 'PoweredOff');
  } finally {
    await observer.close();
    await platform.close();
  }
}

const why = withoutLibvirt();
if (why !== undefined) test.skip(`TLS and ssh (left out: ${why})`, () => undefined);
else {
  describe('TLS', () => {
    let dir: string;
    let tls: Extract<Transport, { type: 'Tls' }>;
    const file = (name: string): string => path.join(dir, name);

    beforeAll(async () => {
      dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-tls-'));
      const [authority, stranger] = ['', 'stranger'].map((name) => {
        const folder = name === '' ? dir : mkdtempSync(file(name));
        const made = createAuthority(folder);
        return { folder, made };
      });
      authority?.made.issue(file('server.crt'), file('server.key'));
      authority?.made.issueClient('worker', 3_600, file('client.crt'), file('client.key'));
      stranger?.made.issueClient('stranger', 3_600, file('stranger.crt'), file('stranger.key'));
      // The daemon may run as another user.
      for (const name of ['', 'ca.crt', 'server.crt', 'server.key']) chmodSync(file(name), 0o755);
      const port = await freePort();
      libvirt = await startLibvirt({
        config: [
          ...['listen_tls = 1', 'listen_tcp = 0', 'listen_addr = "127.0.0.1"', `tls_port = "${port}"`],
          ...[`ca_file = "${file('ca.crt')}"`, `cert_file = "${file('server.crt')}"`],
          `key_file = "${file('server.key')}"`,
        ],
      });
      tls = {
        type: 'Tls',
        host: '127.0.0.1',
        port,
        caFile: file('ca.crt'),
        certFile: file('client.crt'),
        keyFile: file('client.key'),
      };
    });
    afterAll(async () => {
      await libvirt?.stop();
      rmSync(dir, { recursive: true, force: true });
    });

    it('powers a VM on and off, also after the daemon was killed', async () => {
      expect(await survey(tls)).toMatch(/^\d+\.\d+\.\d+$/);
      await powerOnAndOff('by-tls', tls);
    });

    it('neither a client of another authority nor a daemon of one is trusted, and a name has to fit', async () => {
      const stranger = { ...tls, certFile: file('stranger.crt'), keyFile: file('stranger.key') };
      expect(await survey(stranger)).toMatch(/^refused: /);
      expect(await survey({ ...tls, caFile: file('stranger.crt') })).toMatch(
        /^refused: .*(certificate|verify|issuer)/i,
      );
      expect(await survey({ ...tls, host: 'localhost' })).toMatch(/^refused: .*(altnames|localhost)/i);
      expect(await survey({ ...tls, port: await freePort() })).toMatch(/^refused: .*ECONNREFUSED/);
      expect(await survey(tls)).toMatch(/^\d/);
    });
  });

  const whyNot = withoutSsh();
  if (whyNot !== undefined) test.skip(`ssh (left out: ${whyNot})`, () => undefined);
  else
    describe('ssh', () => {
      let sshd: TestSshd;
      let dir: string;
      let env: NodeJS.ProcessEnv;

      beforeAll(async () => {
        buildWhenStale();
        libvirt = await startLibvirt();
        sshd = await startSshd(path.join(libvirt.dir, 'run'));
        env = { PATH: `${sshd.bin}:${process.env.PATH}` };
        dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-ssh-'));
        const hosts = [{ name: 'far', ssh: sshd.host, uri: 'qemu:///session' }];
        writeFileSync(path.join(dir, 'platform.yaml'), platformManifest('rack', { libvirt: { hosts } }));
      }, 120_000);
      afterEach(() => sshd.settings('key', 'known'));
      afterAll(async () => {
        await sshd?.stop();
        await libvirt?.stop();
        rmSync(dir, { recursive: true, force: true });
      });

      const doctor = async (): Promise<string> => {
        const words = ['doctor', '--platform', 'rack', '--platforms', 'platform.yaml'];
        return (await vmgroup(words, { cwd: dir, env })).stdout;
      };

      it('a group is powered on, and kept so, also after the daemon was killed; then it goes off', async () => {
        await libvirt.define('by-ssh');
        const want = (powerState: string): void => {
          const tiers = [{ members: ['by-ssh'] }];
          const text = groupWithVms({ namespace: 'prod', name: 'far', powerState, tiers });
          writeFileSync(path.join(dir, 'group.yaml'), text);
        };
        want('PoweredOn');
        const up = start(['up', '.', '--platform', 'rack', '-o', 'json'], { cwd: dir, env });
        let said = '';
        up.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
        up.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
        const is = async (state: string): Promise<unknown> =>
          until(
            async () => (await libvirt.virsh('domstate', 'by-ssh')).trim() === state,
            `the VM to be ${state}`,
            { seconds: 80, context: () => said.slice(-2_000) },
          );
        try {
          await is('running');
          await until(() => said.includes('"Converged'), 'the end of the run', { context: () => said });
          await libvirt.kill();
          await libvirt.restart();
          const before = libvirt.qemu('by-ssh');
          await libvirt.virsh('destroy', 'by-ssh');
          await until(() => {
            const now = libvirt.qemu('by-ssh');
            return now !== undefined && now !== before;
          }, 'the VM to be brought back');
          want('PoweredOff');
          await is('shut off');
        } finally {
          const ended = once(up, 'exit');
          up.kill('SIGTERM');
          await ended;
        }
      });

      it('says what ssh says: a key that is not known there, a host that is not known here', async () => {
        expect(await doctor()).toMatch(/host far of rack +ok +libvirt \d+\.\d+\.\d+/);
        sshd.settings(sshd.otherKey, 'known');
        expect(await doctor()).toMatch(/host far of rack +problem +.*Permission denied/);
        sshd.settings('key', 'unknown');
        expect(await doctor()).toMatch(/host far of rack +problem +.*Host key verification failed/);
        await libvirt.kill();
        sshd.settings('key', 'known');
        expect(await doctor()).toMatch(/host far of rack +problem +.*libvirt-sock/);
      });
    });
}
