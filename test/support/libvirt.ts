/**
 * A libvirt daemon of a test's own, as an ordinary user has one (`qemu:///session`): real QEMU, in software, apart from the daemon of the machine.
 * If root runs the tests, it runs as `nobody`, since root's daemon is that of the machine.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Daemon } from '../../platforms/libvirt';
import { findGuest, findLibvirt } from './libvirt-parts';
import { until } from './until';

/** What a domain is made of. */
export interface DomainOptions {
  uuid?: string;
  /**
   * `linux`: a kernel with an agent, up in some seconds. `button`: a boot sector that obeys the power button. `panicking`: one that crashes after some
   * seconds, and is kept so. `deaf`: none.
   */
  guest?: 'linux' | 'button' | 'panicking' | 'deaf';
  /** Kernel command line of a `linux` guest. */
  mode?: 'deaf' | 'hung' | 'uptime';
  /** Path of a raw disk. */
  disk?: string;
  /** Path of what is started for QEMU. */
  emulator?: string;
  /** Name of a libvirt network. */
  network?: string;
}

/** A running daemon. */
export interface TestLibvirt {
  dir: string;
  socket: string;
  /** Environment for `virsh`. */
  env: NodeJS.ProcessEnv;
  /** Calls virsh on `qemu:///session`; resolves with what it printed. */
  virsh(...args: string[]): Promise<string>;
  /** The same on `test:///default` in the same daemon, whose VMs are gone with it. */
  virshTest(...args: string[]): Promise<string>;
  /** Writes an element into the metadata of a domain; `driver`: other than `qemu:///session`. */
  setMetadata(domain: string, uri: string, element: string, driver?: string): Promise<void>;
  define(name: string, options?: DomainOptions): Promise<void>;
  /** What a `linux` guest has written to its serial port. */
  serial(name: string): string;
  /** libvirt's own log of a domain. */
  log(name: string): string;
  logFile(name: string): string;
  /** Id of the QEMU process of a domain; undefined: it has none. */
  qemu(name: string): number | undefined;
  /** Kills the daemon as `kill -9` does; VMs keep running. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Ends the daemon and all VMs. */
  stop(): Promise<void>;
}

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const owner = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

/** Enables the power button, waits for it, and powers off: 16-bit code at 0x7c00, for the ACPI registers of QEMU's chipsets. */
const BUTTON = Buffer.from([
  ...[0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef], // PM1_EN (0x602) = PWRBTN
  ...[0xfb], // sti
  ...[0xf4], // hlt, until the next tick of the timer
  ...[0xba, 0x00, 0x06, 0xed, 0xa9, 0x00, 0x01, 0x74, 0xf6], // PM1_STS (0x600) & PWRBTN?
  ...[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef], // PM1_CNT (0x604) = SLP_EN, S5
  ...[0xf4, 0xeb, 0xfd],
]);

/** Waits for some ticks of the timer, and tells QEMU's panic device that it crashed. */
const PANICKING = Buffer.from([
  ...[0xfb], // sti
  ...[0xb9, 0x24, 0x00, 0xf4, 0xe2, 0xfd], // 36 times hlt: 2 s
  ...[0xba, 0x05, 0x05, 0xb0, 0x01, 0xee], // port 0x505 = PANICKED
  ...[0xf4, 0xeb, 0xfd],
]);

/** How a daemon is started. */
export interface LibvirtOptions {
  /** Lines of its configuration, with which it listens on the network too. */
  config?: string[];
  /** False: only VMs of the test driver are made, for which no QEMU is needed. */
  guests?: boolean;
}

/** Starts a daemon; resolves once it answers. */
export async function startLibvirt({
  config: lines,
  guests = true,
}: LibvirtOptions = {}): Promise<TestLibvirt> {
  const { libvirtd } = await findLibvirt();
  const guest = guests ? await findGuest() : undefined;
  // The path of a socket is short.
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-lv-'));
  const folders = ['run', 'config', 'cache', 'data', 'guest'].map((name) => path.join(dir, name));
  const [runtime, config, cache, data, files] = folders as [string, string, string, string, string];
  for (const folder of folders) mkdirSync(folder);
  if (guest) {
    copyFileSync(guest.kernel, path.join(files, 'vmlinuz'));
    copyFileSync(guest.initramfs, path.join(files, 'initramfs.gz'));
  }
  writeFileSync(path.join(files, 'button.img'), bootSector(BUTTON));
  writeFileSync(path.join(files, 'panicking.img'), bootSector(PANICKING));
  for (const each of [dir, ...folders]) if (isRoot) chownSync(each, NOBODY, NOBODY);
  chmodSync(runtime, 0o700);
  const socket = path.join(runtime, 'libvirt/libvirt-sock');
  const env = {
    PATH: process.env.PATH,
    LC_ALL: 'C',
    HOME: dir,
    XDG_RUNTIME_DIR: runtime,
    XDG_CONFIG_HOME: config,
    XDG_CACHE_HOME: cache,
    XDG_DATA_HOME: data,
  };
  const as = { env, ...owner };
  let child: ChildProcess | undefined;
  let output = '';
  let keeper: Daemon | undefined;

  const configFile = path.join(dir, 'libvirtd.conf');
  if (lines) writeFileSync(configFile, lines.join('\n'));
  const args = ['--timeout', '86400', ...(lines ? ['--listen', '--config', configFile] : [])];

  async function start(): Promise<void> {
    const started = spawn(libvirtd, args, {
      ...as,
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
    child = started;
    await until(
      async () => {
        if (started.exitCode !== null) throw new Error(`libvirtd ended: ${output}`);
        return (guests ? virsh : virshTest)('version').then(
          () => true,
          () => false,
        );
      },
      'libvirtd to answer',
      { seconds: 120, every: 200, context: () => output },
    );
    // The test driver keeps its VMs while a client is connected.
    keeper = await Daemon.open(
      { type: 'Socket', paths: [socket] },
      'test:///default',
      () => undefined,
      AbortSignal.timeout(30_000),
    );
  }

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async function virsh(...args: string[]): Promise<string> {
    return (await virshOn('qemu+unix:///session', args)).stdout;
  }

  async function virshTest(...args: string[]): Promise<string> {
    return (await virshOn('test+unix:///default', args)).stdout;
  }

  function virshOn(uri: string, args: string[]): Promise<{ stdout: string }> {
    return promisify(execFile)('virsh', ['-q', '-c', `${uri}?socket=${socket}`, ...args], { env });
  }

  const logFile = (name: string): string => path.join(cache, `libvirt/qemu/log/${name}.log`);
  const pids = (): string => path.join(runtime, 'libvirt/qemu/run');
  const qemu = (name: string): number | undefined => {
    const file = path.join(pids(), `${name}.pid`);
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  };

  await start();
  return {
    dir,
    socket,
    env,
    virsh,
    virshTest,
    kill,
    qemu,
    define: async (name, options = {}) => {
      const file = path.join(dir, 'domain.xml');
      writeFileSync(file, domainXml(name, dir, options));
      await virsh('define', file);
    },
    serial: (name) => readIfThere(path.join(dir, `${name}.serial`)),
    log: (name) => readIfThere(logFile(name)),
    logFile,
    restart: start,
    setMetadata: (domain, uri, element, driver = 'qemu:///session') =>
      withDaemon(socket, driver, async (daemon) => {
        const found = await daemon.lookup(domain);
        await daemon.setMetadata(found, uri, element);
      }),
    stop: async () => {
      keeper?.close();
      await kill();
      const files = existsSync(pids()) ? readdirSync(pids()) : [];
      for (const file of files.filter((each) => each.endsWith('.pid')))
        end(readFileSync(path.join(pids(), file), 'utf8'));
      end(readIfThere(path.join(runtime, 'libvirt/virtlogd.pid')));
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

async function withDaemon(
  socket: string,
  driver: string,
  use: (daemon: Daemon) => Promise<void>,
): Promise<void> {
  const transport = { type: 'Socket' as const, paths: [socket] };
  const daemon = await Daemon.open(transport, driver, () => undefined, AbortSignal.timeout(30_000));
  try {
    await use(daemon);
  } finally {
    daemon.close();
  }
}

function end(pid: string): void {
  try {
    if (Number(pid) > 1) process.kill(Number(pid), 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function bootSector(code: Buffer): Buffer {
  const sector = Buffer.alloc(1_048_576);
  code.copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function domainXml(
  name: string,
  dir: string,
  { guest = 'button', uuid, mode, disk, emulator, network }: DomainOptions,
): string {
  const linux = guest === 'linux';
  const sector = guest === 'button' || guest === 'panicking';
  const text = (value: string): string =>
    value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/'/g, '&apos;');
  const files = path.join(dir, 'guest');
  const kernel = `<kernel>${files}/vmlinuz</kernel><initrd>${files}/initramfs.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1${mode ? ` vmgroup=${mode}` : ''}</cmdline>`;
  const image = (file: string, dev: string): string =>
    `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${text(file)}'/><target dev='${dev}' bus='virtio'/>${
      file.startsWith(files) ? '<readonly/><shareable/>' : ''
    }</disk>`;
  return `<domain type='qemu'>
  <name>${text(name)}</name>${uuid ? `<uuid>${uuid}</uuid>` : ''}
  <memory unit='MiB'>${linux ? 96 : 8}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>${linux ? kernel : ''}</os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff><on_crash>${guest === 'panicking' ? 'preserve' : 'destroy'}</on_crash>
  <devices>
    ${emulator ? `<emulator>${text(emulator)}</emulator>` : ''}
    ${network ? `<interface type='network'><source network='${text(network)}'/></interface>` : ''}
    ${sector ? image(`${files}/${guest}.img`, 'vda') : ''}${disk ? image(disk, 'vdb') : ''}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    ${guest === 'panicking' ? `<panic model='isa'/>` : ''}
    ${linux ? `<serial type='file'><source path='${text(dir)}/${text(name)}.serial'/></serial>` : ''}
    ${linux ? `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>` : ''}
  </devices>
</domain>`;
}
