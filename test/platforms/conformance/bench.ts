/** What the tests of the suite share: names, processes, requests. */
import { createActivities } from '../../../activities';
import type { PowerState } from '../../../api';
import type { Activities, PowerInput, VirtualMachineRef } from '../../../contract';
import {
  CAPABILITIES,
  Observer,
  PlatformError,
  type Capabilities,
  type Platform,
  type PlatformType,
  type PowerRequest,
  type VirtualMachineState,
} from '../../../platforms';
import { powerInput } from '../../activities/fixtures';
import {
  isLeftOut,
  leftOut,
  type OpenPlatform,
  type PlatformUnderTest,
  type Possible,
  type VmRecord,
} from './platform-under-test';

/** Who asks in every test, unless it says otherwise. */
export const CALLER = 'vmgroup/prod/shop';

/** Milliseconds in which a change must show. Bounds on times are measured elsewhere: this one only ends a test. */
const PATIENCE = 30_000;

/** One process: the platform, its shared watch, and the activities on both. */
export interface Process extends OpenPlatform {
  observer: Observer;
  /** Errors of watches that broke. */
  broken: unknown[];
  activities: { [K in keyof Activities]: (...input: Parameters<Activities[K]>) => ReturnType<Activities[K]> };
  /** Waits until the watch shows this power state with no operation on its way. */
  untilPower: (vm: VirtualMachineRef, powerState: PowerState) => Promise<VirtualMachineState>;
  /** Waits until the watch shows a state of a VM. */
  until: (
    vm: VirtualMachineRef,
    holds: (state: VirtualMachineState) => boolean,
  ) => Promise<VirtualMachineState>;
}

/** A platform under test with what every test needs of it. */
export class Bench {
  readonly capabilities: Capabilities;
  readonly #part: PlatformUnderTest;
  /** A platform that cannot know which VMs are meant tracks these. */
  readonly #made: VirtualMachineRef[] = [];
  readonly #open = new Set<Platform>();
  #names = 0;
  #operations = 0;

  constructor(name: PlatformType, part: PlatformUnderTest) {
    this.capabilities = CAPABILITIES[name];
    this.#part = part;
  }

  /** A name that no other test has. */
  name(): string {
    this.#names += 1;
    return `vm-${this.#names}`;
  }

  /** A new VM that is off, or that another actor brought to another power state. */
  async vm(powerState: PowerState = 'PoweredOff'): Promise<VirtualMachineRef> {
    const [vm] = await this.vms(1);
    if (!vm) throw new Error('the part made no VM');
    if (powerState !== 'PoweredOff') await this.#part.change(vm, powerState);
    return vm;
  }

  /** A new VM that is off, and whose guest reports that it is ready. */
  async readyVm(make: PlatformUnderTest['make']): Promise<VirtualMachineRef> {
    const [vm] = this.#track(await make([this.name()]));
    if (!vm) throw new Error('the part made no VM');
    return vm;
  }

  /** New VMs that are off. */
  vms(count: number): Promise<VirtualMachineRef[]> {
    return this.make(Array.from({ length: count }, () => this.name()));
  }

  /** New VMs of these names that are off. */
  async make(names: readonly string[]): Promise<VirtualMachineRef[]> {
    return this.#track(await this.#part.make(names));
  }

  /** Replaces a VM by another one of the same name, which is off. */
  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    const next = await this.#part.recreate(vm);
    this.#track([next]);
    return next;
  }

  #track(vms: VirtualMachineRef[]): VirtualMachineRef[] {
    this.#made.push(...vms);
    for (const platform of this.#open) platform.track?.(vms);
    return vms;
  }

  /** What the part has on record of one VM since `before`. */
  async record(vm: VirtualMachineRef, before?: VmRecord): Promise<VmRecord> {
    const [record] = await this.#part.records([vm]);
    if (!record) throw new Error(`the part has no record of ${vm.name}`);
    const { operations, effects } = record;
    return {
      operations: operations - (before?.operations ?? 0),
      effects: effects.slice(before?.effects.length ?? 0),
    };
  }

  /** A request under an id of its own, with a greater sequence than every one before. */
  request(
    vm: VirtualMachineRef,
    powerState: PowerState,
    { id, sequence, ...over }: Partial<PowerRequest> & { id?: string; sequence?: number } = {},
  ): PowerRequest {
    this.#operations += 1;
    const operation = {
      id: id ?? `run/${vm.name}/${this.#operations}`,
      sequence: sequence ?? 100 + this.#operations,
    };
    return { vm, operation, powerState, guestShutdownTimeout: 1_000, caller: CALLER, ...over };
  }

  /** The same for an activity. */
  input(vm: VirtualMachineRef, powerState: PowerState, over: Partial<PowerInput> = {}): PowerInput {
    const { operation } = this.request(vm, powerState);
    return powerInput(vm.name, {
      vm,
      operation,
      powerState,
      operationTimeout: PATIENCE,
      caller: CALLER,
      ...over,
    });
  }

  /** Opens one process. */
  async process(open: () => Promise<OpenPlatform> = () => this.#part.open()): Promise<Process> {
    const opened = await open();
    const { platform } = opened;
    platform.track?.(this.#made);
    this.#open.add(platform);
    const broken: unknown[] = [];
    const observer = new Observer(platform, { onBroken: (error) => broken.push(error) });
    const until: Process['until'] = (vm, holds) => observer.until(vm, holds, AbortSignal.timeout(PATIENCE));
    return {
      ...opened,
      observer,
      broken,
      activities: createActivities({ platform, observer }),
      until,
      untilPower: (vm, powerState) =>
        until(
          vm,
          ({ status, operation }) => status.powerState === powerState && operation?.phase !== 'InProgress',
        ),
      close: async () => {
        this.#open.delete(platform);
        await observer.close();
        await opened.close();
      },
    };
  }

  /** Runs `use` with a process whose watch is live, and closes it afterwards. */
  async with(use: (process: Process) => Promise<void>, open?: () => Promise<OpenPlatform>): Promise<void> {
    const process = await this.process(open);
    try {
      await process.observer.synced();
      await use(process);
    } finally {
      process.line.restore();
      await process.close();
      await process.line.close();
    }
  }

  /** The same with two processes. */
  withTwo(use: (one: Process, other: Process) => Promise<void>): Promise<void> {
    return this.with((one) => this.with((other) => use(one, other)));
  }
}

/** The error of a call that must be refused, and refused as the port says: with a {@link PlatformError}. */
export async function refusalOf(call: Promise<unknown>): Promise<PlatformError> {
  const [ended] = await Promise.allSettled([call]);
  if (ended.status === 'fulfilled') throw new Error(`not refused: ${JSON.stringify(ended.value)}`);
  if (ended.reason instanceof PlatformError) return ended.reason;
  throw new Error(`refused, but not with a PlatformError: ${String(ended.reason)}`);
}

/** The class of an error that a platform gave, else what there is instead. */
export function classOf(ended: unknown): string {
  return ended instanceof PlatformError ? ended.failureClass : String(ended);
}

/** Something that a platform can do where it declares it. */
export function declared(can: boolean, why: string): Possible<true> {
  return can || leftOut(why);
}

/** A test of something that not every platform can do. */
export function testOf<T>(possible: Possible<T>, name: string, body: (able: T) => Promise<void>): void {
  if (isLeftOut(possible)) {
    // Its name says why.
    test.skip(`${name} (left out: ${possible.leftOut})`, () => undefined);
    return;
  }
  test(name, () => body(possible));
}
