/**
 * VMs of a vCenter, or of one ESXi host, reached by its own API.
 *
 * PLATFORM-1, PLATFORM-2: every accepted operation is recorded on the VM before its power is touched, see recorder.ts. The record holds for every
 *     process and outlives each.
 * PLATFORM-3: see observe.ts.
 * PLATFORM-4: see placing/homes.ts.
 */
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import { solveInThread, type PlacementAnswer, type Solve } from '../../placement';
import { capabilitiesOf, type Capabilities } from '../capabilities';
import { virtualMachineKey } from '../observer';
import {
  PlatformError,
  type Answer,
  type GuestReport,
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import type { Scope } from './scope';
import { PLACE_ATTRIBUTE, RECORD_ATTRIBUTE, type VmFacts } from './facts';
import { platformError } from './faults';
import { Observations } from './observations';
import { targetOf, type Ground } from './ground';
import { readGuest } from './guest';
import { Operation } from './operation';
import { earlierIds, names, relay, Turns, untilOpen, writeRecord } from '../tracked';
import { Reader } from './reader';
import { Recorder, type RecordPlace } from './recorder';
import { untilGone } from './leaving';
import { Homes, VspherePlaces } from './placing';
import { absent, askingFor, superseded, unknownState } from './replies';
import { element, orAborted, SoapClient, VimFault, type SoapOptions } from './soap';
import { Stream } from './stream';

/** What {@link VspherePlatform} works with. */
export interface VsphereOptions extends SoapOptions {
  /** Where VMs are found that a manifest names by nothing but its own name; absent: everywhere. */
  scope?: Scope;
  /** Where operations are recorded; absent: a custom attribute on vCenter, `extraConfig` on ESXi. */
  records?: RecordPlace;
  /** DRS places VMs by itself even if the automation level of their cluster leaves that to people. */
  overrideDrs?: boolean;
  /** DRS is told of affinity rules. */
  drsRules?: boolean;
  /** Finds places; absent: the solver, in a thread. */
  solve?: Solve;
  /** The process only observes, and never asks for power. */
  watchOnly?: boolean;
  /** Called each time the stream breaks, with the milliseconds until it is opened again. */
  onBroken?: (error: unknown, retryIn: number) => void;
}

/** Milliseconds in which the inventory is read for the first time. */
const OPENING = 60_000;
/** Tries to write a record for the version of a VM that was read. */
const MAX_WRITES = 5;

/** A {@link Platform} on a vSphere server. Runs from the start until `close`. */
export class VspherePlatform implements Platform {
  readonly name = 'vsphere';
  readonly capabilities: Capabilities;
  readonly #client: SoapClient;
  readonly #recorder: Recorder;
  readonly #placeRecorder: Recorder;
  readonly #observations: Observations;
  readonly #stream: Stream;
  readonly #ground: Ground;
  readonly #reader: Reader;
  readonly #homes: Homes;
  readonly #places: VspherePlaces;
  readonly #turns = new Turns();

  constructor(options: VsphereOptions) {
    const { scope = {}, records, overrideDrs = false, drsRules = false, watchOnly = false } = options;
    const stream = (): Stream => this.#stream;
    this.capabilities = capabilitiesOf({ type: 'vsphere', drsRules });
    this.#client = new SoapClient(options);
    this.#recorder = new Recorder(this.#client, RECORD_ATTRIBUTE, stream, records);
    this.#placeRecorder = new Recorder(this.#client, PLACE_ATTRIBUTE, stream, records);
    this.#observations = new Observations({
      ...{ scope, stream, watchOnly, recorder: this.#recorder, placeRecorder: this.#placeRecorder },
      homes: () => this.#homes,
      onOverwritten: (operation, facts) => void this.#writeAgain(operation, facts),
      onBroken: options.onBroken ?? (() => undefined),
    });
    this.#reader = new Reader(this.#client, [this.#recorder, this.#placeRecorder]);
    const { inventory, bindings } = this.#observations;
    const homes = (this.#homes = new Homes({
      ...{ inventory, overrideDrs, drsRules, recorder: this.#placeRecorder },
      operationOf: (facts) => this.#observations.recordOf(facts),
    }));
    this.#places = new VspherePlaces({
      ...{ client: this.#client, stream, solve: options.solve ?? solveInThread, bindings, inventory, homes },
      ...{ recorder: this.#placeRecorder, drsRules },
      fetch: (ids, signal) => this.#fetchTold(ids, signal),
      changed: (vm) => this.#observations.tell(vm),
    });
    this.#ground = {
      ...{ client: this.#client, stream },
      facts: (vm) => inventory.vm(vm),
      until: (vm, met, signal) => this.#observations.until(vm, met, signal),
      changed: (vm) => this.#observations.tell(vm),
      verify: () => this.#recorder.place === 'Attribute',
      home: (facts) => (facts.power === 'PoweredOff' ? homes.hostOf(facts) : undefined),
      drs: (vm) => {
        const datacenter = homes.placerOf(vm) === 'Drs' ? inventory.datacenter(vm) : undefined;
        return datacenter && { datacenter, override: overrideDrs };
      },
    };
    this.#stream = new Stream(this.#client, this.#observations, async () => {
      await this.#recorder.prepare();
      await this.#placeRecorder.prepare();
    });
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    const observations = this.#observations;
    await this.#ready(signal, () => observations.live);
    if (signal.aborted) return;
    await relay(observations, sink, signal, (reason) =>
      platformError(reason, `the watch of ${this.#client.host}`),
    );
  }

  track(vms: readonly VirtualMachineRef[]): void {
    this.#observations.track(vms);
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const bound = await this.#find(vm, signal);
    if (!bound) return undefined;
    const at = Date.now();
    const facts = await this.#fetch(vm, bound.id, signal);
    return facts && this.#knownState(vm, facts, at);
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    for (let look = 1; ; look += 1) {
      const bound = await this.#find(request.vm, signal);
      if (!bound) return absent(request, this.#observations.bindings.resolve(request.vm), this.#client.host);
      const state = await this.#turns.take(bound.id, () => this.#accept(bound.id, request, signal));
      if (state) return state;
      await untilGone(this.#observations, { vm: request.vm, id: bound.id, look }, signal);
    }
  }

  async place(
    requests: PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    return this.#placing(`places of ${requests.length} VMs`, signal, () =>
      this.#places.place(requests, options, signal),
    );
  }

  async preview(
    requests: PlacementRequest[],
    options: Pick<PlaceOptions, 'seed' | 'beside'>,
    signal?: AbortSignal,
  ): Promise<PlacementAnswer> {
    return this.#placing(`places of ${requests.length} VMs`, signal, () =>
      this.#places.preview(requests, options, signal),
    );
  }

  async release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    return this.#placing(`places of ${vms.length} VMs`, signal, () =>
      this.#places.release(vms, options, signal),
    );
  }

  async forget(caller: string, signal?: AbortSignal): Promise<void> {
    return this.#placing(`rules for ${caller}`, signal, () => this.#places.forget(caller, signal));
  }

  async #placing<T>(what: string, signal: AbortSignal | undefined, step: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    await this.#ready(signal, () => this.#observations.synced);
    return orAborted(step(), signal).catch((error: unknown) => {
      throw platformError(error, what);
    });
  }

  async answer(vm: VirtualMachineRef, answer: Answer, signal?: AbortSignal): Promise<void> {
    const bound = await this.#find(vm, signal);
    const facts = bound && (await this.#fetch(vm, bound.id, signal));
    const asking = askingFor(vm, facts, answer);
    const parameters = [element('questionId', answer.question), element('answerChoice', answer.choice)];
    await this.#client
      .call({ type: 'VirtualMachine', id: asking.id }, 'AnswerVM', parameters, { signal })
      .catch((error: unknown) => Promise.reject(platformError(error, `VM ${virtualMachineKey(vm)}`)));
  }

  async guest(
    vm: VirtualMachineRef,
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<GuestReport | undefined> {
    const bound = await this.#find(vm, signal);
    if (!bound) return undefined;
    return readGuest(this.#client, bound.id, keys, signal).catch((error: unknown) =>
      Promise.reject(platformError(error, `VM ${virtualMachineKey(vm)}`)),
    );
  }

  async close(): Promise<void> {
    this.#observations.close();
    await this.#stream.close();
    await this.#client.close();
  }

  // ---- Power ----------------------------------------------------------------------------------------------------------------------

  async #accept(
    id: string,
    request: PowerRequest,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineState | undefined> {
    const { vm } = request;
    for (let write = 1; ; write += 1) {
      const at = Date.now();
      const fresh = await this.#fetch(vm, id, signal);
      if (!fresh) return undefined;
      if (fresh.power === undefined) throw unknownState(vm, fresh);
      const operation = this.#decide(fresh, request, fresh.power);
      if (!operation) return this.#knownState(vm, fresh, at);
      const previous = this.#observations.recordOf(fresh);
      try {
        await this.#record(operation, fresh, signal);
        await orAborted(operation.start(fresh, previous), signal);
        if (request.powerState === 'PoweredOff') this.#places.poweredOff(id);
        return this.#knownState(vm, fresh, Date.now());
      } catch (error: unknown) {
        const stale = error instanceof VimFault && error.fault.type === 'ConcurrentAccess';
        if (!stale || write === MAX_WRITES) throw platformError(error, `VM ${virtualMachineKey(vm)}`);
      }
    }
  }

  /** The operation to carry out; undefined: it was asked for before. @throws PlatformError `Superseded` */
  #decide(fresh: VmFacts, request: PowerRequest, is: NonNullable<VmFacts['power']>): Operation | undefined {
    const { operations } = this.#observations;
    const own = operations.get(fresh.id);
    const record = this.#observations.recordOf(fresh);
    const newest = own?.recorded && !(record && record.sequence >= own.record.sequence) ? own.record : record;
    if (newest && newest.sequence > request.operation.sequence) throw superseded(request, newest);
    if (names(newest, request.operation.id)) {
      // Its record was written, and then the process got no answer: it went no further.
      return own && own.record.id === request.operation.id && !own.started ? own : undefined;
    }
    const { operation, powerState, caller, mode, guestShutdownTimeout } = request;
    const softly = powerState !== 'PoweredOn' && mode !== 'Hard';
    const next = new Operation(this.#ground, {
      ...{ vm: fresh.id, request, before: this.#recorder.textOf(fresh) },
      record: {
        ...operation,
        ...{ to: targetOf(powerState, is), caller, at: Date.now(), guest: softly ? guestShutdownTimeout : 0 },
        earlier: earlierIds(newest, operation.sequence),
      },
    });
    own?.end();
    operations.set(fresh.id, next);
    return next;
  }

  async #record(operation: Operation, fresh: VmFacts, signal: AbortSignal | undefined): Promise<void> {
    let text: string;
    try {
      text = writeRecord(operation.record, fresh.uuid);
    } catch (error: unknown) {
      throw new PlatformError(
        'Permanent',
        `operation ${operation.record.id} cannot be recorded: ${String(error)}`,
      );
    }
    await this.#recorder.write(fresh, text, signal);
    operation.recorded = true;
  }

  /** VSPHERE-7: an older operation of another process was written over the record of a newer one. */
  async #writeAgain(operation: Operation, facts: VmFacts): Promise<void> {
    if (operation.rewritten >= MAX_WRITES) return;
    operation.rewritten += 1;
    // Should this fail, the next change of the VM brings us here again.
    await this.#recorder.write(facts, writeRecord(operation.record, facts.uuid)).catch(() => undefined);
  }

  // ---- Reading --------------------------------------------------------------------------------------------------------------------

  /** The VM that a manifest means; undefined: there is none. */
  async #find(vm: VirtualMachineRef, signal: AbortSignal | undefined): Promise<VmFacts | undefined> {
    const observations = this.#observations;
    await this.#ready(signal, () => observations.synced);
    const found = observations.bindings.vmOf(vm);
    if (found && !observations.bindings.tracks(vm)) observations.track([vm]);
    return found;
  }

  async #fetch(
    vm: VirtualMachineRef,
    id: string,
    signal: AbortSignal | undefined,
  ): Promise<VmFacts | undefined> {
    try {
      return (await this.#reader.read([id], signal)).get(id);
    } catch (error: unknown) {
      throw platformError(error, `VM ${virtualMachineKey(vm)}`);
    }
  }

  /** Reads VMs, and has them told of. */
  async #fetchTold(
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, VmFacts>> {
    const vms = await this.#reader.read(ids, signal);
    for (const vm of vms.values()) {
      this.#homes.recordOf(vm);
      this.#observations.tell(vm.id);
    }
    return vms;
  }

  #knownState(vm: VirtualMachineRef, facts: VmFacts, at: number): VirtualMachineState {
    const state = this.#observations.stateOf(vm, facts, at);
    this.#observations.tell(facts.id);
    if (!state) throw unknownState(vm, facts);
    return state;
  }

  /**
   * Resolves once the inventory has been read, or `signal` aborts.
   *
   * @throws PlatformError where the server cannot be reached, or refuses
   */
  async #ready(signal: AbortSignal | undefined, is: () => boolean): Promise<void> {
    const observations = this.#observations;
    if (is()) return;
    const what = `the inventory of ${this.#client.host}`;
    if (observations.error !== undefined) throw platformError(observations.error, what);
    const late = `it was not read within ${OPENING} ms`;
    await untilOpen({ observations, is, limit: OPENING, late, signal }).catch((error: unknown) => {
      throw platformError(error, what);
    });
  }
}
