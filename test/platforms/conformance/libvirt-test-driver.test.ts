/**
 * The platform `libvirt` conforms on libvirt's own test driver: all that needs no guest, also where QEMU is not installed. What VMs did, the driver's
 * events say.
 *
 * Guarantees: G1, G3, G5.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { PowerState } from '../../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import { startLibvirt, type TestLibvirt } from '../../support/libvirt';
import { withoutTestDriver } from '../../support/libvirt-parts';
import { until } from '../../support/until';
import {
  defineOnTestDriver,
  forgeriesOf,
  hostBy,
  lineInjuries,
  OpenPlatforms,
  TEST_DRIVER,
  uuidOf,
} from './libvirt';
import { describePlatform, leftOut, type OpenPlatform, type PlatformUnderTest, type VmRecord } from './index';

const NO_GUESTS = 'VMs of the test driver have no guest';
const ADDED = 'Defined Added';

interface Parts {
  libvirt: TestLibvirt;
  /** Has only VMs without a place, and they are on the first one too. */
  beta: TestLibvirt;
  /** Prints what happens to the VMs of the first one. */
  follower: ChildProcess;
}

class TestDriverUnderTest implements PlatformUnderTest {
  readonly #open = new OpenPlatforms();
  readonly #made: VirtualMachineRef[] = [];
  /** What a person did, by UUID. */
  readonly #changes = new Map<string, number>();
  #started: Parts | undefined;
  #told = '';

  async start(): Promise<void> {
    const options = { guests: false };
    const [libvirt, beta] = await Promise.all([startLibvirt(options), startLibvirt(options)]);
    const args = ['-q', '-c', `test+unix:///default?socket=${libvirt.socket}`, 'event', '--loop'];
    const follower = spawn('virsh', [...args, '--event', 'lifecycle'], { env: libvirt.env });
    follower.stdout.on('data', (chunk: Buffer) => (this.#told += chunk.toString()));
    this.#started = { libvirt, beta, follower };
    // Events from before it listens are not told.
    await until(async () => {
      await defineOnTestDriver(libvirt, `first-${randomUUID()}`, randomUUID());
      return this.#told !== '';
    }, 'events');
  }

  async stop(): Promise<void> {
    const { libvirt, beta, follower } = this.#started ?? {};
    if (follower?.kill()) await once(follower, 'exit');
    await Promise.all([libvirt?.stop(), beta?.stop()]);
  }

  kill = (): Promise<void> => this.#part.kill();
  restart = (): Promise<void> => this.#part.restart();

  open = (): Promise<OpenPlatform> =>
    this.#open.open(
      this.#part,
      (socket) => [
        hostBy(socket, 'alpha', TEST_DRIVER),
        hostBy(this.#parts.beta.socket, 'beta', TEST_DRIVER),
      ],
      this.#made,
    );

  async make(names: readonly string[]): Promise<VirtualMachineRef[]> {
    const made: VirtualMachineRef[] = [];
    for (const name of names) {
      const uuid = randomUUID();
      await defineOnTestDriver(this.#part, name, uuid);
      made.push({ namespace: 'prod', name, uid: `uid-${uuid}`, locator: `uuid:${uuid}` });
    }
    this.#made.push(...made);
    this.#open.track(made);
    return made;
  }

  unplaced = async (names: readonly string[]): Promise<PlacementRequest[]> => {
    const vms = await this.make(names);
    for (const vm of vms) await defineOnTestDriver(this.#parts.beta, vm.name, uuidOf(vm));
    return vms.map((vm) => ({ vm, cpus: 1, memory: 1 }));
  };

  async vanish(vm: VirtualMachineRef): Promise<void> {
    await this.#part.virshTest('destroy', uuidOf(vm)).catch(() => undefined);
    await this.#part.virshTest('undefine', '--managed-save', uuidOf(vm));
  }

  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    await this.vanish(vm);
    const [next] = await this.make([vm.name]);
    return next as VirtualMachineRef;
  }

  async change(vm: VirtualMachineRef, powerState: PowerState): Promise<void> {
    const how = { PoweredOn: 'start', PoweredOff: 'destroy', Suspended: 'managedsave' }[powerState];
    await this.#part.virshTest(how, uuidOf(vm));
    this.#changes.set(uuidOf(vm), (this.#changes.get(uuidOf(vm)) ?? 0) + 1);
  }

  async records(vms: readonly VirtualMachineRef[]): Promise<VmRecord[]> {
    // Events come in order: those of before this one are there with it.
    const name = `mark-${randomUUID()}`;
    await defineOnTestDriver(this.#part, name, randomUUID());
    await until(() => this.#linesOf(name).length > 0, 'the events');
    return Promise.all(vms.map((vm) => this.#record(vm)));
  }

  async #record(vm: VirtualMachineRef): Promise<VmRecord> {
    const lines = this.#linesOf(vm.name);
    const effects = lines.slice(lines.lastIndexOf(ADDED)).flatMap(effectsOf);
    const info = effects.at(-1) === 'Suspended' ? await this.#part.virshTest('dominfo', uuidOf(vm)) : '';
    if (/Managed save: +no/.test(info)) effects.push('PoweredOff');
    return { operations: effects.length - (this.#changes.get(uuidOf(vm)) ?? 0), effects };
  }

  /** What was reported of the VMs of a name. */
  #linesOf(name: string): string[] {
    const begin = `event 'lifecycle' for domain '${name}': `;
    const lines = this.#told.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith(begin)).map((line) => line.slice(begin.length));
  }

  readonly oddNames = ['constructor', '__proto__', 'toString', 'a'.repeat(80), '0', 'ü', '名前', 'a b'];
  readonly watchInjuries = lineInjuries;
  readonly forgeries = forgeriesOf((vm, element) =>
    this.#part.setMetadata(uuidOf(vm), 'https://vmgroup.dev/libvirt/operation', element, TEST_DRIVER),
  );

  ready = leftOut(NO_GUESTS);
  soft = leftOut(NO_GUESTS);
  deafen = leftOut(NO_GUESTS);
  slow = leftOut('the test driver does everything at once, and forgets it where the daemon is killed');
  refuse = leftOut('the test driver refuses no VM');
  fail = leftOut('no operation fails on its way in the test driver');
  throttle = leftOut('libvirt never asks a caller to retry later');
  credentials = leftOut('a socket has none');
  forbidden = leftOut('the test driver knows no rights');

  get #part(): TestLibvirt {
    return this.#parts.libvirt;
  }

  get #parts(): Parts {
    if (!this.#started) throw new Error('the part is not started');
    return this.#started;
  }
}

function effectsOf(line: string): PowerState[] {
  if (line.startsWith('Started ')) return ['PoweredOn'];
  if (!line.startsWith('Stopped ')) return [];
  return [line === 'Stopped Saved' ? 'Suspended' : 'PoweredOff'];
}

const why = withoutTestDriver();
if (why === undefined) describePlatform('libvirt', new TestDriverUnderTest());
else test.skip(`the platform libvirt on its test driver (left out: ${why})`, () => undefined);
