/** Finds libvirt and QEMU for tests, and makes the guest that they boot into a cache of the user before the tests begin. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../cli/errors';
import { cacheDir, install, isExecutable, run } from '../../cli/temporal-server/program-cache';

/** The packages of Debian and Ubuntu that tests on real VMs need. */
export const LIBVIRT_PACKAGES = [
  'libvirt-daemon-system',
  'libvirt-clients',
  'qemu-system-x86',
  'qemu-utils',
] as const;

const PROGRAMS = ['libvirtd', 'virsh', 'qemu-system-x86_64', 'qemu-img'] as const;
const SCRIPT = path.join(__dirname, '../../examples/libvirt/guest.sh');

/** Which of the programs are missing; empty: tests boot real VMs. */
export function missingLibvirt(): string[] {
  return PROGRAMS.filter((name) => pathOf(name) === undefined);
}

/** The reason for which tests on real VMs are skipped; undefined: they are not. */
export function withoutLibvirt(): string | undefined {
  const missing = missingLibvirt();
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} not found: apt-get install --no-install-recommends ${LIBVIRT_PACKAGES.join(' ')}`;
}

/** The reason for which tests on ssh are skipped; undefined: they are not. */
export function withoutSsh(): string | undefined {
  const missing = ['sshd', 'ssh', 'ssh-keygen', 'virt-ssh-helper'].filter(
    (name) => pathOf(name) === undefined,
  );
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} not found: apt-get install --no-install-recommends openssh-server openssh-client libvirt-daemon`;
}

/** Where the daemon is. @throws Error with the packages where it is not installed. */
export async function findLibvirt(): Promise<{ libvirtd: string }> {
  const libvirtd = pathOf('libvirtd');
  if (libvirtd === undefined) throw new Error(withoutLibvirt());
  return { libvirtd };
}

function pathOf(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, program)).find((file) => existsSync(file));
}

/** The kernel and the initramfs of the guest. @throws Error with a cure when there are none. */
export async function findGuest(): Promise<{ kernel: string; initramfs: string }> {
  const folder = guestFolder();
  if (!(await isExecutable(path.join(folder, 'initramfs.gz'))))
    throw new Error('the guest for libvirt is missing: run `npm run test:parts`, which makes it');
  return { kernel: path.join(folder, 'vmlinuz'), initramfs: path.join(folder, 'initramfs.gz') };
}

/** Makes the guest where it is missing, and libvirt is there. */
export async function prepareGuest(
  onProgress: (message: string) => void,
): Promise<{ path: string; from: string }> {
  const folder = guestFolder();
  const target = path.join(folder, 'initramfs.gz');
  const why = withoutLibvirt();
  if (why !== undefined) {
    onProgress(`no test boots a real VM: ${why}`);
    return { path: '-', from: 'not installed' };
  }
  if (await isExecutable(target)) return { path: folder, from: 'cache' };
  try {
    onProgress('making the guest for libvirt from Debian packages (once; some seconds)');
    await install({ target, onProgress, fetchInto: (draft) => make(draft, folder) });
    return { path: folder, from: 'apt-get download' };
  } catch (error: unknown) {
    throw new Error(`the guest for libvirt could not be made: ${messageOf(error)}`, { cause: error });
  }
}

/** The initramfs goes in place last. */
async function make(draft: string, folder: string): Promise<string> {
  await run('sh', [SCRIPT, draft]);
  await rename(path.join(draft, 'vmlinuz'), path.join(folder, 'vmlinuz'));
  return path.join(draft, 'initramfs.gz');
}

/** Named by the script that makes it. */
function guestFolder(): string {
  const hash = createHash('sha256').update(readFileSync(SCRIPT)).digest('hex').slice(0, 16);
  return path.join(cacheDir(process.env), 'libvirt', hash);
}
