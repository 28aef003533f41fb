/**
 * Finds libvirt and QEMU for tests, and makes the guest that they boot into a cache of the user before the tests begin. Without QEMU no test boots a
 * real VM, and the platform conforms on libvirt's own test driver alone. That is in libvirt's daemon: without the daemon no test reaches libvirt.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../cli/errors';
import { cacheDir } from '../../cli/cache-dir';
import { install, isExecutable, run } from '../../cli/temporal-server/program-cache';

/** Programs, each with the package of Debian and Ubuntu that has it. */
const LIBVIRT = { libvirtd: 'libvirt-daemon-system', virsh: 'libvirt-clients' };
const QEMU = { 'qemu-system-x86_64': 'qemu-system-x86', 'qemu-img': 'qemu-utils' };
const SSH = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  'virt-ssh-helper': 'libvirt-daemon',
};
const SCRIPT = path.join(__dirname, '../../examples/libvirt/guest.sh');

/** The reason for which tests on real VMs are skipped; undefined: they are not. */
export const withoutLibvirt = (): string | undefined => withoutPrograms({ ...LIBVIRT, ...QEMU });

/** The reason for which tests on libvirt's own test driver are skipped; undefined: they are not. */
export const withoutTestDriver = (): string | undefined => withoutPrograms(LIBVIRT);

/** What is not tested, why, and what to install; undefined: all is tested. */
export function libvirtNote(): string | undefined {
  const why = withoutLibvirt();
  if (why === undefined) return undefined;
  return withoutTestDriver() === undefined
    ? `no test boots a real VM, and the platform libvirt is tested on libvirt's own test driver alone: ${why}`
    : `no test reaches libvirt, neither real VMs nor libvirt's own test driver, which is in its daemon: ${why}`;
}

/** The reason for which tests on ssh are skipped; undefined: they are not. */
export const withoutSsh = (): string | undefined => withoutPrograms(SSH);

/** What to install. */
function withoutPrograms(packages: Record<string, string>): string | undefined {
  const missing = Object.keys(packages).filter((program) => pathOf(program) === undefined);
  if (missing.length === 0) return undefined;
  const wanted = new Set(missing.map((program) => packages[program]));
  return `${missing.join(', ')} not found: apt-get install --no-install-recommends ${[...wanted].join(' ')}`;
}

/** Where the daemon is. @throws Error with the packages where it is not installed. */
export async function findLibvirt(): Promise<{ libvirtd: string }> {
  const libvirtd = pathOf('libvirtd');
  if (libvirtd === undefined) throw new Error(withoutTestDriver());
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
  const note = libvirtNote();
  if (note !== undefined) {
    onProgress(note);
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
