/**
 * The platform `libvirt` conforms: on a libvirt daemon with real VMs in software. A second host is libvirt's own test driver in the same daemon: a
 * hundred VMs at once are there, and VMs that two hosts have.
 *
 * Guarantees: G1, G3, G5, G11.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PowerState } from '../../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import { startLibvirt, type TestLibvirt } from '../../support/libvirt';
import { withoutLibvirt } from '../../support/libvirt-parts';
import {
  defineOnTestDriver,
  forgeriesOf,
  hostBy,
  lineInjuries,
  OpenPlatforms,
  TEST_DRIVER,
  uuidOf,
} from './libvirt';
import {
  describePlatform,
  leftOut,
  type OpenPlatform,
  type PlatformUnderTest,
  type VmRecord,
  type WatchInjury,
} from './index';

jest.setTimeout(120_000);

const NAMESPACE = 'prod';
/** More VMs than this at once are on the test driver. */
const FEW = 20;
/** Calls that make VMs whose VMs are kept: no test makes more. */
const KEPT = 6;
/** What a slow emulator writes into the log of its VM. */
const BEGINS = 'QEMU begins';

class LibvirtUnderTest implements PlatformUnderTest {
  readonly #open = new OpenPlatforms();
  readonly #made: VirtualMachineRef[][] = [];
  readonly #bulk = new Set<string>();
  /** UUIDs of the VMs whose QEMU says in the log that it begins. */
  readonly #slow = new Set<string>();
  /** What a person did, by UUID. */
  readonly #changes = new Map<string, number>();
  #started: TestLibvirt | undefined;

  async start(): Promise<void> {
    this.#started = await startLibvirt();
  }

  async stop(): Promise<void> {
    await this.#started?.stop();
  }

  kill = (): Promise<void> => this.#part.kill();
  restart = (): Promise<void> => this.#part.restart();

  open = (): Promise<OpenPlatform> =>
    this.#open.open(
      this.#part,
      (socket) => [hostBy(socket, 'alpha', 'qemu:///session'), hostBy(socket, 'beta', TEST_DRIVER)],
      this.#made.flat(),
    );

  make = (names: readonly string[]): Promise<VirtualMachineRef[]> => this.#make(names, 'button');
  ready = (names: readonly string[]): Promise<VirtualMachineRef[]> => this.#make(names, 'linux');

  async #make(names: readonly string[], guest: 'button' | 'linux'): Promise<VirtualMachineRef[]> {
    const made: VirtualMachineRef[] = [];
    for (const name of names) {
      const uuid = randomUUID();
      if (names.length > FEW) {
        await defineOnTestDriver(this.#part, name, uuid);
        this.#bulk.add(uuid);
      } else await this.#part.define(name, { uuid, guest });
      made.push({ namespace: NAMESPACE, name, uid: `uid-${uuid}`, locator: `uuid:${uuid}` });
    }
    this.#made.push(made);
    this.#open.track(made);
    while (this.#made.length > KEPT) for (const vm of this.#made.shift() ?? []) await this.vanish(vm);
    return made;
  }

  unplaced = async (names: readonly string[]): Promise<PlacementRequest[]> => {
    const vms = await this.make(names);
    for (const vm of vms) await defineOnTestDriver(this.#part, vm.name, uuidOf(vm));
    return vms.map((vm) => ({ vm, cpus: 1, memory: 1 }));
  };

  async vanish(vm: VirtualMachineRef): Promise<void> {
    const uuid = uuidOf(vm);
    for (const which of ['virsh', 'virshTest'] as const) {
      const virsh = (...args: string[]): Promise<string> => this.#part[which](...args);
      await virsh('destroy', uuid).catch(() => undefined);
      await virsh('undefine', '--managed-save', uuid).catch(() => undefined);
    }
    rmSync(this.#part.logFile(vm.name), { force: true });
  }

  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    await this.vanish(vm);
    const [next] = await this.make([vm.name]);
    return next as VirtualMachineRef;
  }

  async change(vm: VirtualMachineRef, powerState: PowerState): Promise<void> {
    const uuid = uuidOf(vm);
    const how = { PoweredOn: 'start', PoweredOff: 'destroy', Suspended: 'managedsave' }[powerState];
    await this.#part.virsh(how, uuid);
    this.#changes.set(uuid, (this.#changes.get(uuid) ?? 0) + 1);
  }

  async records(vms: readonly VirtualMachineRef[]): Promise<VmRecord[]> {
    return Promise.all(vms.map((vm) => this.#record(vm)));
  }

  async #record(vm: VirtualMachineRef): Promise<VmRecord> {
    const uuid = uuidOf(vm);
    if (this.#bulk.has(uuid)) {
      // The test driver keeps no log: the id of a domain that was started once is not that of one that was started twice.
      const on = (await this.#part.virshTest('domstate', uuid)).trim() === 'running';
      return { operations: on ? 1 : 0, effects: on ? ['PoweredOn'] : [] };
    }
    const effects = effectsIn(this.#part.log(vm.name), this.#slow.has(uuid) ? BEGINS : 'starting up');
    const saved = path.join(this.#part.dir, `config/libvirt/qemu/save/${vm.name}.save`);
    if (effects.at(-1) === 'Suspended' && !existsSync(saved)) effects.push('PoweredOff');
    return { operations: effects.length - (this.#changes.get(uuid) ?? 0), effects };
  }

  readonly oddNames = ['constructor', '__proto__', 'toString', 'a'.repeat(80), '0', 'ü', '名前', 'a b'];

  slow = async (vms: readonly VirtualMachineRef[], seconds = 0.7): Promise<void> => {
    const emulator = path.join(this.#part.dir, `guest/slow-${seconds}`);
    writeFileSync(
      emulator,
      `#!/bin/sh\ncase "$*" in *-name*) echo ': ${BEGINS}'; sleep ${seconds};; esac\nexec qemu-system-x86_64 "$@"\n`,
    );
    chmodSync(emulator, 0o755);
    for (const vm of vms) {
      await this.#part.define(vm.name, { uuid: uuidOf(vm), guest: 'button', emulator });
      this.#slow.add(uuidOf(vm));
    }
  };

  /** Its guest becomes one that is deaf when it starts the next time. */
  deafen = async (vm: VirtualMachineRef): Promise<void> => {
    await this.#part.define(vm.name, { uuid: uuidOf(vm), guest: 'deaf' });
    await this.change(vm, 'PoweredOff');
    await this.change(vm, 'PoweredOn');
  };

  readonly watchInjuries: Record<string, WatchInjury> = {
    ...lineInjuries,
    'the daemon is killed and started again': async (_process, meanwhile) => {
      await this.kill();
      await this.restart();
      await meanwhile();
      return undefined;
    },
  };

  readonly forgeries = forgeriesOf((vm, element) =>
    this.#part.setMetadata(uuidOf(vm), 'https://vmgroup.dev/libvirt/operation', element),
  );

  readonly refuse = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#part.define(vm.name, { uuid: uuidOf(vm), guest: 'button', network: 'nowhere' }),
    words: /libvirt: .*nowhere.* \(code 4[23]\)/,
  };

  readonly fail = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#part.define(vm.name, { uuid: uuidOf(vm), guest: 'button', disk: this.#disk(vm) }),
    failureClass: 'Transient' as const,
    words: /libvirt: Cannot access storage file .*No such file or directory \(code 38\)/,
    end: async (vm: VirtualMachineRef): Promise<void> => {
      writeFileSync(this.#disk(vm), Buffer.alloc(1_048_576));
      chmodSync(this.#disk(vm), 0o666);
    },
  };

  throttle = leftOut('libvirt never asks a caller to retry later');
  credentials = leftOut('a socket has none, and those of ssh and TLS do not expire in a connection');
  forbidden = leftOut(
    'rights on single calls come from polkit, which a daemon of an ordinary user does not ask',
  );

  get #part(): TestLibvirt {
    if (!this.#started) throw new Error('the part is not started');
    return this.#started;
  }

  #disk({ name }: VirtualMachineRef): string {
    return path.join(this.#part.dir, 'guest', `${name}.img`);
  }
}

/**
 * What libvirt's own log of a domain says of its power. `start`: what the log says of a start. A daemon may be killed after it wrote that it starts a VM
 * and before it started QEMU: once it is up again it does not know of that start, and writes no end of it. Where it is killed, a line of the emulator
 * counts.
 */
function effectsIn(log: string, start: string): PowerState[] {
  const effects: PowerState[] = [];
  for (const line of log.split('\n')) {
    if (line.includes(`: ${start}`)) effects.push('PoweredOn');
    const reason = /: shutting down, reason=(\w+)/.exec(line)?.[1];
    if (reason === undefined || effects.at(-1) !== 'PoweredOn') continue;
    // It did not come up: QEMU ended, or the daemon was killed meanwhile.
    if (reason === 'failed' || reason === 'daemon') effects.pop();
    else effects.push(reason === 'saved' ? 'Suspended' : 'PoweredOff');
  }
  return effects;
}

const why = withoutLibvirt();
if (why === undefined) describePlatform('libvirt', new LibvirtUnderTest());
else test.skip(`the platform libvirt (left out: ${why})`, () => undefined);
