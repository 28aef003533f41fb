/** A simulated vCenter, or ESXi host, for tests: a process of its own whose VMs fail, hang, ask and stay deaf as told. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createAuthority, type Authority } from './certificates';
import { platformManifest } from './manifests';
import { findVcenterSimulator } from './vsphere-parts';

/** How a method fails; see `test/parts/vsphere/center.go`. */
export interface VcenterFault {
  /** Such as `PowerOnVM_Task`. */
  method: string;
  /** Type of the fault. */
  type: string;
  /** Of its `faultMessage`. */
  keys?: string[];
  message?: string;
  /** Absent: every time. */
  times?: number;
  /** The call fails, not the task that it starts. */
  call?: boolean;
}

/** How one VM behaves; absent values: it obeys at once. */
export interface VcenterBehaviour {
  faults?: VcenterFault[];
  /** Its power tasks stay running for as long as this holds. */
  never?: boolean;
  question?: { id: string; text: string; choices: Record<string, string> };
  /** The guest does nothing when asked to shut down. */
  deaf?: boolean;
  noTools?: boolean;
  /** Milliseconds that its power operations take on top. */
  slow?: number;
  /** Milliseconds from power-on until VMware Tools run. */
  toolsAfter?: number;
  /** DRS leaves it to people, whatever the level of its cluster. */
  manual?: boolean;
  /** Type of the fault for which DRS does not attempt to power it on. */
  noRoom?: string;
}

/** A VM as vCenter has it. */
export interface VcenterVm {
  name: string;
  folder: string;
  uuid: string;
  power: 'poweredOn' | 'poweredOff' | 'suspended';
  template: boolean;
  /** Custom attributes by name. */
  fields: Record<string, string>;
  /** `extraConfig` by key. */
  extra: Record<string, string>;
  /** Name of its host. */
  host: string;
  /** Power operations that were begun. */
  operations: number;
  /** Each power state that it came into, from any source. */
  effects: ('poweredOn' | 'poweredOff' | 'suspended')[] | null;
}

/** What becomes of a host; what is not set stays. */
export interface VcenterHostChange {
  connection?: 'connected' | 'disconnected' | 'notResponding';
  maintenance?: boolean;
  memoryMb?: number;
  /** Of its memory. */
  usedMb?: number;
  threads?: number;
  /** `false`: it has none. */
  datastores?: false;
}

/** A call on a VM. */
export interface VcenterCall {
  at: string;
  method: string;
  vm: string;
  value?: string;
}

/** As the simulator says it: Go writes an empty list as null. */
interface VcenterCalls {
  counts: Record<string, number>;
  journal: VcenterCall[] | null;
}

/** What a simulated vCenter consists of. */
export interface VcenterOptions {
  /** One ESXi host instead. */
  esx?: boolean;
  /** VMs `vm-000` and so on that are off, in folder `vmgroup`. */
  machines?: number;
  hosts?: number;
  vapps?: number;
  drs?: boolean;
}

/** A VM or a vApp in a vApp, with fields of `VAppEntityConfigInfo`. */
export interface VappEntity {
  vm?: string;
  vapp?: string;
  startOrder?: number;
  /** Seconds. */
  startDelay?: number;
  waitingForGuest?: boolean;
  startAction?: string;
  /** Seconds. */
  stopDelay?: number;
  stopAction?: string;
}

/** See `orders.go`. */
export interface VcenterDependencies {
  /** Names of VMs by group. */
  groups: Record<string, string[]>;
  rules: { vmGroup: string; dependsOn: string }[];
  /** By VM. */
  readiness?: Record<string, { readyCondition?: string; postReadyDelay?: number }>;
}

/** A running simulated vCenter. */
export interface TestVcenter {
  /** `https://127.0.0.1:PORT/sdk`. */
  address: string;
  user: string;
  password: string;
  /** The authority that signed its certificate. */
  authority: Authority;
  /** PEM of that certificate and its key, which are good for any server on 127.0.0.1. */
  tls: { cert: string; key: string };
  behave(vm: string, behaviour: VcenterBehaviour): Promise<void>;
  /** Replaces the faults of calls. */
  faults(faults: VcenterFault[]): Promise<void>;
  /** Milliseconds by method. */
  delays(delays: Record<string, number>): Promise<void>;
  /** Creates a VM and resolves with its instance UUID. */
  create(vm: Partial<VcenterVm> & { name: string; cpus?: number; memoryMb?: number }): Promise<string>;
  /** What an administrator does: `poweredOn`, `rename`, `destroy`, or sets a property; see `control.go`. */
  act(vm: string, what: string, to?: string): Promise<void>;
  /** Puts VMs, and vApps made before, into a vApp; see `orders.go`. */
  vapp(vapp: { name: string; parent?: string; entities: VappEntity[] }): Promise<void>;
  /** VM groups of the cluster, and which of them HA restarts after which. */
  dependencies(told: VcenterDependencies): Promise<void>;
  /** What the first host starts with itself; fields as the API has them. */
  autostart(told: { defaults: object; order: ({ vm: string } & Record<string, unknown>)[] }): Promise<void>;
  /** Gives VMs a tag, which is created. */
  tag(category: string, name: string, vms: readonly string[]): Promise<void>;
  /** Takes privileges from every user. */
  deny(privileges: readonly string[]): Promise<void>;
  /** Changes a host. */
  host(name: string, change: VcenterHostChange): Promise<void>;
  /** The rules of DRS by name, with the names of their VMs. */
  rules(): Promise<Record<string, string[]>>;
  /** Automation level of the cluster: `fullyAutomated`, `partiallyAutomated`, `manual` or `off`. */
  drs(level: string): Promise<void>;
  /** Objects in one answer to a read of properties, as a server may limit them; 0: all. */
  pages(objects: number): Promise<void>;
  /** Ends every session. `silently`: such a session answers reads of properties, and says of each that it is missing. */
  expire(silently?: boolean): Promise<void>;
  /** Changes the password of all users; sessions stay valid. */
  setPassword(password: string): Promise<void>;
  vms(): Promise<VcenterVm[]>;
  vm(name: string): Promise<VcenterVm>;
  /** How often each method was called, and the calls on VMs in order. */
  calls(): Promise<{ counts: Record<string, number>; journal: VcenterCall[] }>;
  /** Kills it as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts it again at the same address, with the VMs that it had. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Writes `platform.yaml`, with the vCenter as Platform `datacenter`, and `ca.pem` next to it.
 * @param more further fields of `spec.vsphere`.
 */
export function writeDatacenter(dir: string, { address, authority }: TestVcenter, more: object = {}): void {
  const caFile = path.join(dir, 'ca.pem');
  writeFileSync(caFile, authority.certificate);
  writeFileSync(
    path.join(dir, 'platform.yaml'),
    platformManifest('datacenter', { vsphere: { address: address.replace(/\/sdk$/, ''), caFile, ...more } }),
  );
}

/** The environment in which a command logs in to the vCenter. */
export const loginTo = ({ user, password }: TestVcenter): NodeJS.ProcessEnv => ({
  VMGROUP_VSPHERE_USER: user,
  VMGROUP_VSPHERE_PASSWORD: password,
});

/** Starts one; resolves once it answers. */
export async function startVcenter(options: VcenterOptions = {}): Promise<TestVcenter> {
  const { path: program } = await findVcenterSimulator();
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-vcenter-'));
  const authority = createAuthority(dir);
  const [certificate, key] = [path.join(dir, 'tls.crt'), path.join(dir, 'tls.key')];
  authority.issue(certificate, key);
  let listen = '127.0.0.1:0';
  let child: ChildProcess;
  let [address, control] = ['', ''];

  async function start(): Promise<void> {
    const files = ['-certificate', certificate, '-key', key, '-state', path.join(dir, 'state.json')];
    child = spawn(program, ['-listen', listen, ...files, ...flagsOf(options)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => Promise.reject(new Error('the simulated vCenter ended'))),
    ])) as [string];
    ({ api: address, control } = JSON.parse(line) as { api: string; control: string });
    listen = new URL(address).host;
  }

  async function end(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  const ask = <T>(at: string, body: unknown): Promise<T> => post<T>(`${control}${at}`, body);
  const vms = (): Promise<VcenterVm[]> => ask('/vms', {});
  await start();
  return {
    address,
    user: 'vmgroup',
    password: 'secret',
    authority,
    vms,
    tls: { cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') },
    behave: (vm, behaviour) => ask('/behave', { vm, ...behaviour }),
    faults: (faults) => ask('/faults', faults),
    delays: (delays) => ask('/delays', delays),
    create: (vm) => ask('/create', { folder: 'vmgroup', ...vm }),
    act: (vm, what, to = '') => ask('/act', { vm, do: what, to }),
    vapp: (vapp) => ask('/vapp', vapp),
    dependencies: (told) => ask('/dependencies', told),
    autostart: (told) => ask('/autostart', told),
    deny: (privileges) => ask('/deny', privileges),
    tag: (category, name, vms) => ask('/tag', { category, name, vms }),
    host: (name, change) => ask('/host', { host: name, ...change }),
    rules: () => ask('/rules', {}),
    drs: (level) => ask('/drs', level),
    pages: (objects) => ask('/page', objects),
    expire: (silently = false) => ask('/expire', silently),
    setPassword: (password) => ask('/password', password),
    vm: async (name) => {
      const found = (await vms()).find((vm) => vm.name === name);
      if (!found) throw new Error(`the simulated vCenter has no VM ${name}`);
      return found;
    },
    calls: async () => {
      const calls = await ask<VcenterCalls>('/calls', {});
      return { ...calls, journal: calls.journal ?? [] };
    },
    kill: async () => {
      // What was acknowledged is on the disk of a vCenter.
      await ask('/sync', {});
      await end();
    },
    restart: start,
    stop: async () => {
      await end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function flagsOf({ esx, machines, hosts, vapps, drs }: VcenterOptions): string[] {
  return [
    ...(esx ? ['-esx'] : []),
    ...(machines === undefined ? [] : ['-machines', String(machines)]),
    ...(hosts === undefined ? [] : ['-hosts', String(hosts)]),
    ...(vapps === undefined ? [] : ['-vapps', String(vapps)]),
    ...(drs ? ['-drs'] : []),
  ];
}

function post<T>(url: string, body: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'POST' }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as T);
        else reject(new Error(`${url}: ${text.trim()}`));
      });
    });
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}
