/**
 * The platform `vsphere` conforms: on a simulated vCenter and a simulated ESXi host, each in a process of its own.
 *
 * Guarantees: G1, G3, G5, G11.
 */
import pMap from 'p-map';
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { VspherePlatform } from '../../../platforms/vsphere';
import { startHttpFaultProxy, type HttpFaultProxy } from '../../support/http-fault-proxy';
import { startVcenter, type TestVcenter, type VcenterVm } from '../../support/vsphere';
import {
  cutInTheMiddle,
  describePlatform,
  leftOut,
  lineOver,
  refuseWatches,
  type OpenPlatform,
  type PlatformUnderTest,
  type VmRecord,
  type WatchInjury,
} from './index';

const NAMESPACE = 'prod';
/** Calls that make VMs whose VMs are kept: no test makes more. */
const KEPT = 8;

/** Calls that change the power state of a VM. */
const OPERATIONS = ['PowerOnVM_Task', 'PowerOffVM_Task', 'SuspendVM_Task', 'ShutdownGuest', 'StandbyGuest'];

const FROM: Record<VcenterVm['power'], PowerState> = {
  poweredOn: 'PoweredOn',
  poweredOff: 'PoweredOff',
  suspended: 'Suspended',
};

class VsphereUnderTest implements PlatformUnderTest {
  readonly #kind: 'vCenter' | 'ESXi';
  readonly #proxies = new WeakMap<OpenPlatform['line'], HttpFaultProxy>();
  readonly #open = new Set<VspherePlatform>();
  /** What each call made. */
  readonly #made: VirtualMachineRef[][] = [];
  #started: TestVcenter | undefined;
  #uids = 0;
  /** What the processes log in with, read again at each login. */
  #password: string | undefined;

  constructor(kind: 'vCenter' | 'ESXi') {
    this.#kind = kind;
    this.unplaced =
      kind === 'ESXi'
        ? leftOut('an ESXi host places no VM elsewhere')
        : async (names) => (await this.make(names)).map((vm) => ({ vm, cpus: 1, memory: 1 }));
  }

  async start(): Promise<void> {
    this.#started = await startVcenter({ esx: this.#kind === 'ESXi' });
    if (this.#kind === 'vCenter') await this.#part.drs('off');
  }

  async stop(): Promise<void> {
    await this.#started?.stop();
  }

  kill = (): Promise<void> => this.#part.kill();

  async restart(): Promise<void> {
    await this.#part.restart();
    if (this.#password !== undefined) await this.#part.setPassword(this.#password);
    if (this.#kind === 'vCenter') await this.#part.drs('off');
  }

  open = (): Promise<OpenPlatform> => this.#openAs(this.#part.user);

  async make(names: readonly string[]): Promise<VirtualMachineRef[]> {
    const made = await pMap(
      names,
      async (name): Promise<VirtualMachineRef> => {
        const uuid = await this.#part.create({ name });
        this.#uids += 1;
        return { namespace: NAMESPACE, name, uid: `uid-${this.#uids}`, locator: `uuid:${uuid}` };
      },
      { concurrency: 4 },
    );
    this.#made.push(made);
    for (const platform of this.#open) platform.track(made);
    await this.#tidy();
    return made;
  }

  /** The simulator goes through all VMs for each change of one: those of tests that are over are destroyed. */
  async #tidy(): Promise<void> {
    if (this.#made.length <= KEPT) return;
    const gone = this.#made.shift() ?? [];
    const names = new Set((await this.#part.vms()).map(({ name }) => name));
    for (const vm of gone) if (names.has(vm.name)) await this.vanish(vm);
  }

  /** The cluster of the vCenter has several hosts, and no DRS. */
  readonly unplaced: PlatformUnderTest['unplaced'];

  vanish = (vm: VirtualMachineRef): Promise<void> => this.#part.act(vm.name, 'destroy');

  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    await this.vanish(vm);
    const [next] = await this.make([vm.name]);
    return next as VirtualMachineRef;
  }

  async change(vm: VirtualMachineRef, powerState: PowerState): Promise<void> {
    const found = Object.entries(FROM).find(([, state]) => state === powerState);
    await this.#part.act(vm.name, found?.[0] ?? '');
  }

  async records(vms: readonly VirtualMachineRef[]): Promise<VmRecord[]> {
    const all = new Map((await this.#part.vms()).map((vm) => [vm.uuid, vm]));
    return vms.map(({ locator }) => {
      const { operations = 0, effects } = all.get(locator?.slice('uuid:'.length) ?? '') ?? {};
      return { operations, effects: (effects ?? []).map((effect) => FROM[effect]) };
    });
  }

  readonly oddNames = [
    'constructor',
    '__proto__',
    'toString',
    'a'.repeat(80),
    '0',
    'ü',
    '名前',
    'a b',
    '<a>&amp;',
  ];

  slow = async (vms: readonly VirtualMachineRef[]): Promise<void> => {
    for (const { name } of vms) await this.#part.behave(name, { slow: 500 });
  };

  deafen = (vm: VirtualMachineRef): Promise<void> => this.#part.behave(vm.name, { deaf: true });

  readonly watchInjuries: Record<string, WatchInjury> = {
    'the connection is cut': async ({ line }, meanwhile) => {
      line.cut();
      await meanwhile();
      line.restore();
      return undefined;
    },
    'the connection is cut in the middle of an answer': async ({ line }, meanwhile) => {
      cutInTheMiddle(this.#proxyOf(line));
      await meanwhile();
      return undefined;
    },
    'it is answered with 500 a few times': async ({ line }, meanwhile) => {
      refuseWatches(this.#proxyOf(line), 500, 3);
      await meanwhile();
      return undefined;
    },
    'its session ends': async (_process, meanwhile) => {
      await this.#part.expire();
      await meanwhile();
      return undefined;
    },
  };

  readonly forgeries = {
    'not JSON': this.#forgery(() => '{"id":'),
    'no object': this.#forgery(() => 'null'),
    'that of another VM': this.#forgery((record) => JSON.stringify({ ...record, vm: 'another' })),
    'of a sequence that no run has': this.#forgery((record) => JSON.stringify({ ...record, seq: 1e300 })),
    'of a power state that does not exist': this.#forgery((record) =>
      JSON.stringify({ ...record, to: 'constructor' }),
    ),
    'of a caller of 100 KB': this.#forgery((record) =>
      JSON.stringify({ ...record, seq: 1_000, by: 'x'.repeat(100_000) }),
    ),
  };

  readonly refuse = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#part.behave(vm.name, {
        faults: [{ method: 'PowerOnVM_Task', type: 'NotEnoughLicenses', keys: ['msg.frozen'], call: true }],
      }),
    words: /vSphere: text of msg\.frozen \(NotEnoughLicenses\)/,
  };

  readonly fail = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#part.behave(vm.name, {
        faults: [{ method: 'PowerOnVM_Task', type: 'InsufficientMemoryResourcesFault', message: 'No room.' }],
      }),
    failureClass: 'NoCapacity' as const,
    words: /vSphere: No room\. \(InsufficientMemoryResourcesFault\)/,
    end: (vm: VirtualMachineRef): Promise<void> => this.#part.behave(vm.name, {}),
  };

  readonly throttle = {
    begin: async ({ line }: OpenPlatform, _vm: VirtualMachineRef, retryAfter: number): Promise<void> =>
      this.#proxyOf(line).decide(({ watch }) =>
        watch ? undefined : { answer: 503, retryAfter: retryAfter / 1_000, body: 'busy' },
      ),
    end: async ({ line }: OpenPlatform): Promise<void> => line.restore(),
  };

  readonly credentials = {
    open: (): Promise<OpenPlatform> => this.#openAs(this.#part.user),
    expire: async (): Promise<void> => {
      await this.#part.setPassword('rotated');
      await this.#part.expire();
    },
    renew: async (): Promise<void> => void (this.#password = 'rotated'),
    words: /InvalidLogin\); correct the user or the password/,
  };

  readonly forbidden = {
    open: (): Promise<OpenPlatform> => this.#openAs('reader'),
    words: /NoPermission; give the user the privilege VirtualMachine\.Interact\.PowerOn/,
  };

  get #part(): TestVcenter {
    if (!this.#started) throw new Error('the part is not started');
    return this.#started;
  }

  async #openAs(user: string): Promise<OpenPlatform> {
    const proxy = await startHttpFaultProxy({
      target: new URL(this.#part.address).origin,
      tls: this.#part.tls,
      readBodies: true,
      describe: (_message, body) => {
        const resource = /<soapenv:Body><(\w+)/.exec(body)?.[1] ?? '';
        return { resource, watch: resource === 'WaitForUpdatesEx' };
      },
    });
    const platform = new VspherePlatform({
      address: `${proxy.address}/sdk`,
      credentials: async () => ({ user, password: this.#password ?? this.#part.password }),
      trust: { ca: this.#part.authority.certificate },
      scope: { folder: '/DC0/vm/{namespace}' },
    });
    platform.track(this.#made.flat());
    this.#open.add(platform);
    const line = lineOver(proxy, ({ resource }) => OPERATIONS.includes(resource));
    this.#proxies.set(line, proxy);
    const close = async (): Promise<void> => {
      this.#open.delete(platform);
      await platform.close();
    };
    return { platform, line, close };
  }

  #proxyOf(line: OpenPlatform['line']): HttpFaultProxy {
    const proxy = this.#proxies.get(line);
    if (!proxy) throw new Error('a line of another platform');
    return proxy;
  }

  #forgery(written: (record: object) => string): (vm: VirtualMachineRef) => Promise<void> {
    return (vm) => {
      const uuid = vm.locator?.slice('uuid:'.length);
      const record = { vm: uuid, id: 'x', seq: 1, to: 'PoweredOff', by: 'x', at: '2026-01-01T00:00:00Z' };
      return this.#part.act(vm.name, this.#kind === 'ESXi' ? 'extra' : 'field', written(record));
    };
  }
}

describe('on a vCenter', () => describePlatform('vsphere', new VsphereUnderTest('vCenter')));
describe('on an ESXi host', () => describePlatform('vsphere', new VsphereUnderTest('ESXi')));
