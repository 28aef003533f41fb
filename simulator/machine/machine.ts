/**
 * The simulated platform at work: answers calls, lets effects happen when they come due, and reports changes.
 *
 * MACHINE-1: nothing is answered or reported before its journal line is written, so all that a caller saw is still true after kill -9.
 * MACHINE-2: operations that were in progress at a crash continue with what was left of their time, at once if that is over.
 * MACHINE-3: calls for placement are answered one after another. An answer of the solver, which runs in a thread of its own, counts only if
 *     no host or VM has changed since the solver was asked.
 * MACHINE-4: a clock that is set back does not hold up what is in progress.
 */
import type { ObjectName, PowerState, SimulatedFault, SimulatedInventory } from '../../api';
import type { Outranking, PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import { solveInThread, type Solve } from '../../placement';
import {
  PlatformError,
  type Answer,
  type FailureClass,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
} from '../../platforms';
import {
  CONSOLE,
  type JournalEntry,
  type JournalLine,
  type GuestAnswer,
  type PlatformVm,
} from '../../platforms/simulated';
import {
  acceptedOperations,
  answerPower,
  answerQuestion,
  reportGuest,
  answerRelease,
  consoleChange,
  consoleFailure,
  deletion,
  find,
  keyOf,
  reportState,
  reportVm,
  type EnginePlaceOptions,
  type EnginePowerRequest,
  type VmRecord,
} from '../engine';
import { EffectTimer } from './effect-timer';
import { JournaledState, type Watcher } from './journaled-state';
import { PlacementQueue } from './placement-queue';

/** A simulated platform with its journal. Runs until `close`. */
export class Machine {
  readonly #state: JournaledState;
  readonly #effects: EffectTimer;
  readonly #placements: PlacementQueue;

  private constructor(state: JournaledState, solve: Solve) {
    this.#state = state;
    this.#effects = new EffectTimer(state);
    this.#placements = new PlacementQueue(state, solve);
  }

  /**
   * Opens the platform whose journal is at `path`.
   *
   * @param inventory Replaces that of the journal; undefined: that stays in force, and a new platform gets the default one.
   * @param onBroken Called when the journal can no longer be written.
   * @throws Error when the journal is damaged.
   */
  static async open(
    path: string,
    inventory: SimulatedInventory | undefined,
    onBroken: (error: Error) => void,
    solve: Solve = solveInThread,
  ): Promise<Machine> {
    const state = await JournaledState.open(path, onBroken);
    const machine = new Machine(state, solve);
    const wanted = inventory ?? machine.inventory;
    if (state.newest.lastAt === 0 || JSON.stringify(wanted) !== JSON.stringify(machine.inventory))
      await machine.setInventory(wanted);
    await machine.#effects.settle();
    return machine;
  }

  get inventory(): SimulatedInventory {
    return this.#state.newest.inventory;
  }

  /** One VM as it is on disk. */
  read(vm: VirtualMachineRef): VirtualMachineState | undefined {
    const record = this.#state.named(vm);
    return record?.vm.uid === vm.uid ? reportState(record, this.#state.now()) : undefined;
  }

  /** What the guest of a VM reports about itself; undefined if there is no such VM. */
  guest(vm: VirtualMachineRef): GuestAnswer | undefined {
    const record = this.#state.named(vm);
    return record?.vm.uid === vm.uid ? reportGuest(record, this.inventory) : undefined;
  }

  /** The VM of a name as it is on disk, whatever its uid, with its operation in progress. */
  named(vm: ObjectName): VmRecord | undefined {
    return this.#state.named(vm);
  }

  /** All VMs as they are on disk. */
  list(): PlatformVm[] {
    const now = this.#state.now();
    return this.#state.list().map((record) => reportVm(record, now));
  }

  /** The VMs that `caller` placed. */
  placedBy(caller: string): VirtualMachineRef[] {
    return this.#state.list().flatMap(({ vm, placedBy }) => (placedBy === caller ? [vm] : []));
  }

  /** Operations that were ever accepted for a VM. */
  acceptedOperations(vm: VirtualMachineRef): number {
    return acceptedOperations(this.#state.newest, vm);
  }

  /** Every VM, then every change. Returns all VMs of this moment and the function that ends it. */
  watch(watcher: Watcher): { states: VirtualMachineState[]; end: () => void } {
    const end = this.#state.watch(watcher);
    return { states: this.list().map(({ state }) => state), end };
  }

  /**
   * Answers a call for a change of power state. `lost`: the caller must not get the answer.
   *
   * @throws PlatformError when the call is refused.
   */
  async power(request: EnginePowerRequest): Promise<{ state: VirtualMachineState; lost: boolean }> {
    const call = answerPower(this.#state.newest, request, this.#state.now());
    await this.#state.commit([call]);
    if (call.answer === 'Refused') throw refusal(call);
    const lost = call.faults?.some(({ type }) => type === 'LostReply') ?? false;
    return { state: this.read(request.vm) ?? absent(request, this.#state.now()), lost };
  }

  /**
   * Answers a question of the platform.
   *
   * @throws PlatformError `Permanent` if the VM does not ask it, or it does not offer the choice.
   */
  async answer(vm: VirtualMachineRef, answer: Answer): Promise<void> {
    const call = answerQuestion(this.#state.newest, vm, answer, this.#state.now());
    await this.#state.commit([call]);
    if (call.answer === 'Refused') throw new PlatformError('Permanent', call.message ?? 'refused');
  }

  /**
   * Places VMs together; MACHINE-3.
   *
   * @throws PlatformError when the call is refused.
   */
  async place(
    requests: readonly PlacementRequest[],
    options: EnginePlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const call = await this.#placements.place(requests, options, signal);
    if (call.answer === 'Refused') throw refusal(call);
    const answers = new Map(call.vms.map((each) => [each.vm, each]));
    return requests.map(({ vm }) => {
      const { placement, sticky, unplaced } = answers.get(keyOf(vm)) ?? {};
      if (unplaced !== undefined) return { vm, unplaced };
      if (!placement) throw new Error(`no placement for ${keyOf(vm)}`);
      return { vm, placement, ...(call.note !== undefined && !sticky && { note: call.note }) };
    });
  }

  /** Releases reservations. Resolves with the VMs that have no place now. */
  async release(vms: readonly VirtualMachineRef[], options: ReleaseOptions): Promise<VirtualMachineRef[]> {
    const call = answerRelease(this.#state.newest, vms, options, this.#state.now());
    await this.#state.commit([call]);
    return vms.filter((_, index) => call.vms[index]?.answer !== 'Kept');
  }

  /** Changes the power state of a VM without the knowledge of its group. */
  consolePower(vm: ObjectName, powerState: PowerState): Promise<VirtualMachineState> {
    return this.#onKnown(vm, (record, at) => consoleChange(this.#state.newest, record, powerState, at));
  }

  /** Lets the operation in progress on a VM fail. */
  consoleFail(
    vm: ObjectName,
    failure: { class: FailureClass; message: string },
  ): Promise<VirtualMachineState> {
    return this.#onKnown(vm, (record, at) => {
      const failed = consoleFailure(record, failure, at);
      if (!failed) throw new PlatformError('Permanent', `VM ${keyOf(vm)} has no operation in progress`);
      return failed;
    });
  }

  /** Deletes a VM. */
  async consoleDelete(vm: ObjectName): Promise<void> {
    await this.#onKnown(vm, (record, at) => deletion(record, CONSOLE, at));
  }

  /** Deletes a VM; does nothing when the platform does not have it. */
  async delete(vm: VirtualMachineRef, caller: string): Promise<void> {
    const record = find(this.#state.newest, vm);
    if (record) await this.#state.commit([deletion(record, caller, this.#state.now())]);
  }

  /** Replaces hosts, datastores and behaviour; VMs keep their places. */
  async setInventory(inventory: SimulatedInventory): Promise<void> {
    await this.#state.commit([{ type: 'inventory', at: this.#state.now(), caller: CONSOLE, inventory }]);
  }

  /** Replaces the faults; one that stays the same keeps its count. */
  async setFaults(faults: SimulatedFault[]): Promise<void> {
    const { behavior, ...rest } = this.inventory;
    await this.setInventory({ ...rest, behavior: { ...behavior, faults } });
  }

  /** Reads up to `limit` lines of the journal after number `since`. */
  readJournal(since: number, limit: number): AsyncGenerator<JournalLine> {
    return this.#state.readJournal(since, limit);
  }

  /** Changes nothing from now on. Every call that would is refused with `error`. */
  fail(error: Error): void {
    this.#state.fail(error);
  }

  async close(): Promise<void> {
    this.#placements.stop();
    this.#effects.stop();
    await this.#state.close();
  }

  /** Commits what `change` makes of a VM, which may be nothing. */
  async #onKnown(
    vm: ObjectName,
    change: (record: VmRecord, at: number) => JournalEntry | undefined,
  ): Promise<VirtualMachineState> {
    const record = this.#state.newest.vms.get(keyOf(vm));
    if (!record) throw new PlatformError('Permanent', `the platform has no VM ${keyOf(vm)}`);
    const entry = change(record, this.#state.now());
    if (entry) await this.#state.commit([entry]);
    return this.read(record.vm) ?? reportState(record, this.#state.now());
  }
}

function absent({ vm, operation }: PowerRequest, at: number): VirtualMachineState {
  return {
    vm,
    status: { powerState: 'PoweredOff', ready: false, at },
    operation: { ...operation, phase: 'Done' },
  };
}

function refusal(call: {
  class?: FailureClass;
  message?: string;
  retryAfter?: number;
  recorded?: Outranking;
}): PlatformError {
  const { class: failureClass = 'Permanent', message = 'refused', retryAfter, recorded } = call;
  return new PlatformError(failureClass, message, retryAfter, { recorded });
}
