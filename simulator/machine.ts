/**
 * The engine at work: decides calls, writes them down, then answers; lets effects happen when they are due; tells watchers.
 *
 * MACHINE-1: nothing is answered or told before its journal line was written (so what anybody saw is still true after kill -9).
 * MACHINE-2: operations that were in progress at a crash go on with what was left of their time, at once where that is over.
 * MACHINE-3: calls for placement are answered one after another, and an answer of the solver counts only where no host or VM has changed since it
 *     was asked: it runs in a thread of its own meanwhile.
 */
import type { PowerState, SimulatedFault, SimulatedInventory } from '../api';
import { solveInThread, type Solve } from '../placement';
import {
  type FailureClass,
  PlatformError,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
} from '../platforms';
import type { Outranking, PlacementRequest, PlacementResult, VirtualMachineRef } from '../contract';
import {
  acceptedOperations,
  apply,
  decideConsole,
  decideDelete,
  decideDue,
  decideFailure,
  decidePlace,
  decidePower,
  decideRelease,
  dueAt,
  emptyState,
  find,
  keyOf,
  report,
  standing,
  type EnginePlaceOptions,
  type EnginePowerRequest,
  type EngineState,
  type VmRecord,
} from './engine';
import {
  CONSOLE,
  type Entry,
  type JournalLine,
  type PlaceCall,
  type StandingVm,
} from '../platforms/simulated';
import { openJournal, type Journal } from './journal';

/** Receives changes that are on disk. */
export interface Watcher {
  changed(state: VirtualMachineState): void;
  deleted(vm: VirtualMachineRef): void;
  /** Hosts, datastores or behaviour were replaced. */
  inventoryChanged?(): void;
}

const SHUTTING_DOWN = 'the simulated platform is shutting down';

/** Times that places are found for one call while hosts or VMs change. */
const PLACE_TRIES = 5;

/** Longest delay that a Node timer takes, milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A simulated platform with its journal. */
export class Machine {
  readonly #journal: Journal;
  readonly #state: EngineState;
  /** The VMs as they are on disk; `#state` may be one write ahead. */
  readonly #published: Map<string, VmRecord>;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #closed = false;
  readonly #closing = new AbortController();
  readonly #onBroken: (error: Error) => void;
  readonly #solve: Solve;
  #placing: Promise<unknown> = Promise.resolve();

  private constructor(journal: Journal, state: EngineState, onBroken: (error: Error) => void, solve: Solve) {
    this.#solve = solve;
    this.#journal = journal;
    this.#state = state;
    this.#published = new Map(state.vms);
    this.#onBroken = onBroken;
  }

  /**
   * Opens the platform whose journal is at `path`. `inventory` replaces the one of the journal; left out, that one stays in force, and
   * a new platform gets the default one. `onBroken` is told where the journal cannot be written any more. `solve` finds places.
   */
  static async open(
    path: string,
    inventory: SimulatedInventory | undefined,
    onBroken: (error: Error) => void,
    solve: Solve = solveInThread,
  ): Promise<Machine> {
    const state = emptyState();
    const journal = await openJournal(path, (line) => void apply(state, line));
    const machine = new Machine(journal, state, onBroken, solve);
    const given = inventory ?? state.inventory;
    if (state.lastAt === 0 || JSON.stringify(given) !== JSON.stringify(state.inventory)) {
      await machine.setInventory(given);
    }
    await machine.#settle();
    return machine;
  }

  get inventory(): SimulatedInventory {
    return this.#state.inventory;
  }

  /** One VM as it is on disk. */
  read(vm: VirtualMachineRef): VirtualMachineState | undefined {
    const record = this.#published.get(keyOf(vm));
    return record?.vm.uid === vm.uid ? report(record, this.#now()) : undefined;
  }

  /** The VM of a name as it is on disk, whatever its uid, with its operation in progress. */
  named(vm: { namespace: string; name: string }): VmRecord | undefined {
    return this.#published.get(keyOf(vm));
  }

  /** All VMs as they are on disk. */
  standing(): StandingVm[] {
    const now = this.#now();
    return [...this.#published.values()].map((record) => standing(record, now));
  }

  /** The VMs that `caller` had placed. */
  placedBy(caller: string): VirtualMachineRef[] {
    return [...this.#published.values()].flatMap(({ vm, placedBy }) => (placedBy === caller ? [vm] : []));
  }

  /** Operations that were ever accepted for a VM. */
  acceptedOperations(vm: VirtualMachineRef): number {
    return acceptedOperations(this.#state, vm);
  }

  /** Every VM, then every change. Returns all VMs of this moment and the function that ends it. */
  watch(watcher: Watcher): { states: VirtualMachineState[]; end: () => void } {
    const now = this.#now();
    this.#watchers.add(watcher);
    return {
      states: [...this.#published.values()].map((record) => report(record, now)),
      end: () => void this.#watchers.delete(watcher),
    };
  }

  /** Answers a call for a change of power state; `lost`: the answer is not to reach the caller. */
  async power(request: EnginePowerRequest): Promise<{ state: VirtualMachineState; lost: boolean }> {
    const call = decidePower(this.#state, request, this.#now());
    await this.#commit([call]);
    if (call.answer === 'Refused') throw refusal(call);
    const lost = call.faults?.some(({ type }) => type === 'LostReply') ?? false;
    return { state: this.read(request.vm) ?? absent(request, this.#now()), lost };
  }

  /** Answers a call for placement, after those that came before it; MACHINE-3. */
  place(
    requests: readonly PlacementRequest[],
    options: EnginePlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const mine = this.#placing.then(() => this.#place(requests, options, signal));
    this.#placing = mine.catch(() => undefined);
    return mine;
  }

  /** Gives promised room back. Resolves with the VMs that have no place now. */
  async release(vms: readonly VirtualMachineRef[], options: ReleaseOptions): Promise<VirtualMachineRef[]> {
    const call = decideRelease(this.#state, vms, options, this.#now());
    await this.#commit([call]);
    return vms.filter((_, index) => call.vms[index]?.answer !== 'Kept');
  }

  /** Changes a VM's power state behind everybody's back. */
  async consolePower(
    vm: { namespace: string; name: string },
    powerState: PowerState,
  ): Promise<VirtualMachineState> {
    const record = this.#known(vm);
    const effect = decideConsole(record, this.#state, powerState, this.#now());
    if (effect) await this.#commit([effect]);
    return this.read(record.vm) ?? report(record, this.#now());
  }

  /** Lets the operation in progress on a VM fail. */
  async consoleFail(
    vm: { namespace: string; name: string },
    failure: { class: FailureClass; message: string },
  ): Promise<VirtualMachineState> {
    const record = this.#known(vm);
    const failed = decideFailure(record, failure, this.#now());
    if (!failed) throw new PlatformError('Permanent', `VM ${keyOf(vm)} has no operation in progress`);
    await this.#commit([failed]);
    return this.read(record.vm) ?? report(record, this.#now());
  }

  /** Takes a VM off the platform. */
  async consoleDelete(vm: { namespace: string; name: string }): Promise<void> {
    await this.#commit([decideDelete(this.#known(vm), CONSOLE, this.#now())]);
  }

  /** Takes a VM off the platform; nothing happens where it does not have it. */
  async delete(vm: VirtualMachineRef, caller: string): Promise<void> {
    const record = find(this.#state, vm);
    if (record) await this.#commit([decideDelete(record, caller, this.#now())]);
  }

  /** Replaces hosts, datastores and behaviour; VMs keep their places. */
  async setInventory(inventory: SimulatedInventory): Promise<void> {
    await this.#commit([{ type: 'inventory', at: this.#now(), caller: CONSOLE, inventory }]);
  }

  /** Replaces the faults; one that stays the same keeps its count. */
  async setFaults(faults: SimulatedFault[]): Promise<void> {
    const { behavior, ...rest } = this.#state.inventory;
    await this.setInventory({ ...rest, behavior: { ...behavior, faults } });
  }

  /** Reads up to `limit` lines of the journal after number `since`. */
  readJournal(since: number, limit: number): AsyncGenerator<JournalLine> {
    return this.#journal.read(since, limit);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort(new PlatformError('Transient', SHUTTING_DOWN));
    clearTimeout(this.#timer);
    await this.#journal.close();
  }

  async #place(
    requests: readonly PlacementRequest[],
    options: EnginePlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    const call = await this.#decidePlace(requests, options, signal);
    await this.#commit([call]);
    if (call.answer === 'Refused') throw refusal(call);
    const placed = new Map(call.vms.map((each) => [each.vm, each]));
    return requests.map(({ vm }) => {
      const { placement, sticky, unplaced } = placed.get(keyOf(vm)) ?? {};
      if (unplaced !== undefined) return { vm, unplaced };
      if (!placement) throw new Error(`no placement for ${keyOf(vm)}`);
      return { vm, placement, ...(call.note !== undefined && !sticky && { note: call.note }) };
    });
  }

  /** MACHINE-3. */
  async #decidePlace(
    requests: readonly PlacementRequest[],
    options: EnginePlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlaceCall> {
    const ended = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    for (let tries = 0; tries < PLACE_TRIES; tries += 1) {
      ended.throwIfAborted();
      const { rooms } = this.#state;
      const decision = decidePlace(this.#state, requests, options, this.#now());
      if (decision.type === 'Answered') return decision.call;
      const answer = await this.#solve(decision.problem, ended).catch((error: unknown) => {
        ended.throwIfAborted();
        return asError(error);
      });
      if (this.#state.rooms === rooms) return decision.conclude(answer, this.#now());
    }
    throw new PlatformError(
      'Transient',
      `hosts or VMs changed each of ${PLACE_TRIES} times that places for ${requests.length} VMs were found; try again`,
    );
  }

  #known(vm: { namespace: string; name: string }): VmRecord {
    const record = this.#state.vms.get(keyOf(vm));
    if (!record) throw new PlatformError('Permanent', `the platform has no VM ${keyOf(vm)}`);
    return record;
  }

  /** Never before the last entry, whatever the clock does. */
  #now(): number {
    return Math.max(Date.now(), this.#state.lastAt);
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    if (this.#closed) throw new PlatformError('Transient', SHUTTING_DOWN);
    const news: { key: string; record: VmRecord | undefined; deleted: VirtualMachineRef[] }[] = [];
    const written: Promise<void>[] = [];
    for (const entry of entries) {
      const { changed, deleted } = apply(this.#state, entry);
      if (deleted.length > 0) news.push({ key: '', record: undefined, deleted });
      for (const key of changed) {
        const record = this.#state.vms.get(key);
        news.push({ key, record, deleted: [] });
        if (record) this.#wakeAt(dueAt(record));
      }
      written.push(this.#journal.append(entry));
    }
    try {
      await Promise.all(written);
    } catch (error: unknown) {
      this.#onBroken(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
    if (entries.some(({ type }) => type === 'inventory'))
      for (const watcher of this.#watchers) watcher.inventoryChanged?.();
    const now = this.#now();
    for (const { key, record, deleted } of news) {
      for (const vm of deleted) this.#publishDeleted(vm);
      if (record) this.#publish(key, record, now);
    }
  }

  #publish(key: string, record: VmRecord, now: number): void {
    this.#published.set(key, record);
    const state = report(record, now);
    for (const watcher of this.#watchers) watcher.changed(state);
  }

  #publishDeleted(vm: VirtualMachineRef): void {
    this.#published.delete(keyOf(vm));
    for (const watcher of this.#watchers) watcher.deleted(vm);
  }

  #wakeAt(time: number | undefined): void {
    if (time === undefined || time >= this.#timerAt || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timerAt = time;
    const delay = Math.min(Math.max(time - Date.now(), 0), LONGEST_TIMER);
    // A journal that cannot be written was reported by the commit; the effect stays undone, as it should.
    this.#timer = setTimeout(() => void this.#settle().catch(() => undefined), delay);
  }

  async #settle(): Promise<void> {
    this.#timerAt = Infinity;
    if (this.#closed) return;
    const commits: Promise<void>[] = [];
    for (
      let due = decideDue(this.#state, this.#now());
      due.length > 0;
      due = decideDue(this.#state, this.#now())
    ) {
      commits.push(this.#commit(due));
    }
    for (const record of this.#state.vms.values()) this.#wakeAt(dueAt(record));
    await Promise.all(commits);
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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
