/**
 * Groups of real VMs: the example of libvirt, as a person runs it, on a daemon of the test's own.
 *
 * Guarantees: G1.
 */
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { buildWhenStale, start, vmgroup } from '../cli/vmgroup';
import { startLibvirt, type TestLibvirt } from '../support/libvirt';
import { withoutLibvirt } from '../support/libvirt-parts';
import { until } from '../support/until';

jest.setTimeout(400_000);

const EXAMPLE = path.join(__dirname, '../../examples/libvirt');
const NAMES = ['database', 'app-1', 'app-2', 'web'];
const UP = ['up', '.', '--platform', 'libvirt', '--exit-when-converged', '-o', 'json'];

let libvirt: TestLibvirt;
let dir: string;
let env: NodeJS.ProcessEnv;

async function prepare(): Promise<void> {
  buildWhenStale();
  libvirt = await startLibvirt();
  dir = path.join(libvirt.dir, 'example');
  cpSync(EXAMPLE, dir, { recursive: true });
  env = { ...libvirt.env, LIBVIRT_DEFAULT_URI: 'qemu:///session', HOME: process.env['HOME'] };
  // The guest that guests.sh would make.
  const guest = path.join(libvirt.dir, 'data/vmgroup-guest');
  mkdirSync(guest);
  for (const file of ['vmlinuz', 'initramfs.gz'])
    copyFileSync(path.join(libvirt.dir, 'guest', file), path.join(guest, file));
  chmodSync(guest, 0o755);
  // For root virsh takes no session but by its socket.
  const uri = `qemu+unix:///session?socket=${libvirt.socket}`;
  const script = path.join(dir, 'guests.sh');
  await promisify(execFile)('sh', [script, 'define'], { env: { ...env, LIBVIRT_DEFAULT_URI: uri } });
}

/** Sets the power state of the group. */
function want(powerState: string): void {
  const file = path.join(dir, 'group.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/powerState: \w+/, `powerState: ${powerState}`));
}

/** What libvirt's log says of a VM's power, with the time of each. */
function history(name: string): { what: string; at: number }[] {
  return libvirt
    .log(name)
    .split('\n')
    .flatMap((line) => {
      const found = /^(\S+ \S+): (starting up|shutting down, reason=\w+)/.exec(line);
      return found ? [{ what: found[2] ?? '', at: Date.parse((found[1] ?? '').replace(' ', 'T')) }] : [];
    });
}

const whats = (name: string): string[] => history(name).map(({ what }) => what);
const when = (name: string, index: number): number => history(name).at(index)?.at ?? NaN;

const why = withoutLibvirt();
if (why !== undefined) test.skip(`groups of real VMs (left out: ${why})`, () => undefined);
else
  describe('the example of libvirt', () => {
    beforeAll(prepare);
    afterAll(async () => {
      await libvirt?.stop();
    });

    it('boots real guests tier by tier; kill -9 in between, and the next start continues without a second operation', async () => {
      const first = start(UP, { cwd: dir, env });
      first.stdout.resume();
      first.stderr.resume();
      await until(() => whats('app-1').length > 0, 'the second tier', { seconds: 200 });
      first.kill('SIGKILL');
      const { code, stdout, stderr } = await vmgroup(UP, { cwd: dir, env });
      expect({ code, stderr: code === 0 ? '' : stderr + stdout }).toEqual({ code: 0, stderr: '' });
      for (const name of NAMES) expect(whats(name)).toEqual(['starting up']);
      expect(when('database', 0)).toBeLessThan(Math.min(when('app-1', 0), when('app-2', 0)));
      expect(Math.max(when('app-1', 0), when('app-2', 0))).toBeLessThan(when('web', 0));
    });

    it('powers guests off by their own hand, tier by tier from the last; a deaf one is forced after its time', async () => {
      const policy = path.join(dir, 'policy.yaml');
      writeFileSync(policy, readFileSync(policy, 'utf8').replace('30s', '20s'));
      await libvirt.define('app-2', {
        uuid: (await libvirt.virsh('domuuid', 'app-2')).trim(),
        guest: 'deaf',
      });
      await libvirt.virsh('destroy', 'app-2');
      await libvirt.virsh('start', 'app-2');
      want('PoweredOff');
      expect(await vmgroup(UP, { cwd: dir, env })).toMatchObject({ code: 0 });
      for (const name of ['database', 'app-1', 'web'])
        expect(whats(name)).toEqual(['starting up', 'shutting down, reason=shutdown']);
      expect(whats('app-2').at(-1)).toBe('shutting down, reason=destroyed');
      expect(when('web', -1)).toBeLessThan(when('app-1', -1));
      expect(when('app-2', -1)).toBeLessThan(when('database', -1));
    });
  });
