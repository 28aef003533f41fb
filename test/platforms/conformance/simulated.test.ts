/**
 * The platform `simulated` conforms: its client against the simulator in a process of its own.
 *
 * Guarantees: G1, G3, G5.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PowerState } from '../../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import { SimulatedPlatform } from '../../../platforms/simulated';
import { GIB, inventory } from '../../simulator/fixtures';
import { startHttpFaultProxy, type HttpFaultProxy } from '../../support/http-fault-proxy';
import { until } from '../../support/until';
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
import { SimulatorProcess } from './simulator-process';

const NAMESPACE = 'prod';

class SimulatedUnderTest implements PlatformUnderTest {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-conformance-'));
  readonly #simulator = new SimulatorProcess({
    folder: this.#folder,
    inventory: { ...inventory(), guests: [{ address: '192.0.2.10' }] },
  });
  readonly #proxies = new WeakMap<OpenPlatform['line'], HttpFaultProxy>();
  #uids = 0;

  start = (): Promise<void> => this.#simulator.start();

  async stop(): Promise<void> {
    await this.#simulator.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  kill = (): Promise<void> => this.#simulator.kill();
  restart = (): Promise<void> => this.#simulator.start();

  async open(): Promise<OpenPlatform> {
    const proxy = await startHttpFaultProxy({
      target: this.#simulator.address,
      describe: ({ url = '' }) => ({ resource: url, watch: url === '/v1/watch' }),
    });
    const platform = new SimulatedPlatform(proxy.address);
    const line = lineOver(proxy, ({ method }) => method === 'POST');
    this.#proxies.set(line, proxy);
    return { platform, line, close: () => platform.close() };
  }

  async make(names: readonly string[]): Promise<VirtualMachineRef[]> {
    const requests = await this.unplaced(names);
    await this.#directly((platform) => platform.place(requests, { caller: 'vmgroup/prod/elsewhere' }));
    return requests.map(({ vm }) => vm);
  }

  unplaced = async (names: readonly string[]): Promise<PlacementRequest[]> =>
    names.map((name) => {
      this.#uids += 1;
      return { vm: { namespace: NAMESPACE, name, uid: `uid-${this.#uids}` }, cpus: 1, memory: GIB };
    });

  vanish = (vm: VirtualMachineRef): Promise<void> => this.#simulator.console.delete(vm);

  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    await this.vanish(vm);
    const [next] = await this.make([vm.name]);
    return next as VirtualMachineRef;
  }

  async change(vm: VirtualMachineRef, powerState: PowerState): Promise<void> {
    await this.#simulator.console.power(vm, powerState);
  }

  records = (vms: readonly VirtualMachineRef[]): Promise<VmRecord[]> =>
    this.#simulator.records(vms, () => true);

  readonly oddNames = [
    'constructor',
    '__proto__',
    'toString',
    'a'.repeat(253),
    '0',
    'ü',
    '名前',
    'a b',
    '%2e',
  ];

  slow = (vms: readonly VirtualMachineRef[]): Promise<void> => this.#simulator.slow(vms);

  deafen = (vm: VirtualMachineRef): Promise<void> =>
    this.#simulator.addFault({ type: 'GuestIgnoresShutdown', vm: keyOf(vm) });

  readonly watchInjuries: Record<string, WatchInjury> = {
    'the connection is cut': async ({ line }, meanwhile) => {
      line.cut();
      await meanwhile();
      line.restore();
      return /watch of http.* broke/;
    },
    'the connection is cut in the middle of a line': async ({ line }, meanwhile) => {
      cutInTheMiddle(this.#proxyOf(line));
      await meanwhile();
      return /watch of http.* broke/;
    },
    'it is answered with 500 a few times': async ({ line }, meanwhile) => {
      refuseWatches(this.#proxyOf(line), 500, 3);
      await meanwhile();
      return /HTTP status 500/;
    },
    'the part falls silent': async ({ line }, meanwhile) => {
      const proxy = this.#proxyOf(line);
      const open = new Set(proxy.calls().filter(({ watch }) => watch));
      proxy.decide((call) => (open.has(call) ? 'silent' : undefined));
      await meanwhile();
      return /no heartbeat for 6000 ms/;
    },
  };

  readonly forgeries = leftOut('operations are on record in the journal, which only the simulator writes');

  readonly refuse = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#simulator.addFault({ type: 'PermanentError', vm: keyOf(vm) }),
    words: /the disk of the VM cannot be opened/,
  };

  readonly fail = {
    begin: async (vm: VirtualMachineRef): Promise<void> => {
      await this.#simulator.addFault({ type: 'Stuck', vm: keyOf(vm) });
      const fail = (): Promise<boolean> =>
        this.#simulator.console.fail(vm, 'Transient', 'the host lost its datastore').then(
          () => true,
          () => false,
        );
      // There is nothing that could fail before the operation is on its way.
      void until(fail, 'an operation in progress', { every: 5 }).catch(() => undefined);
    },
    words: /the host lost its datastore/,
    failureClass: 'Transient' as const,
    end: (vm: VirtualMachineRef): Promise<void> => this.#simulator.heal(vm),
  };

  readonly throttle = {
    begin: async (_process: OpenPlatform, vm: VirtualMachineRef, retryAfter: number): Promise<void> => {
      await this.#simulator.heal(vm);
      await this.#simulator.addFault({ type: 'Throttled', vm: keyOf(vm), retryAfter });
    },
    end: (_process: OpenPlatform, vm: VirtualMachineRef): Promise<void> => this.#simulator.heal(vm),
  };

  readonly credentials = leftOut('the simulator listens on loopback and knows no users');
  readonly forbidden = leftOut('the simulator listens on loopback and knows no users');

  #proxyOf(line: OpenPlatform['line']): HttpFaultProxy {
    const proxy = this.#proxies.get(line);
    if (!proxy) throw new Error('a line of another platform');
    return proxy;
  }

  async #directly<T>(use: (platform: SimulatedPlatform) => Promise<T>): Promise<T> {
    const platform = new SimulatedPlatform(this.#simulator.address);
    try {
      return await use(platform);
    } finally {
      await platform.close();
    }
  }
}

function keyOf({ namespace, name }: VirtualMachineRef): string {
  return `${namespace}/${name}`;
}

describePlatform('simulated', new SimulatedUnderTest());
