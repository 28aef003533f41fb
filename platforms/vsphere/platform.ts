/**
 * VMs of a vCenter, or of one ESXi host, reached by its own API.
 *
 * PLATFORM-1, PLATFORM-2: see acceptance.ts.
 * PLATFORM-3: see observe.ts.
 * PLATFORM-4: see placing/homes.ts.
 */
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import { solveInThread, type PlacementAnswer, type Solve } from '../../placement';
import { capabilitiesOf, type Capabilities } from '../capabilities';
import {
  virtualMachineKey,
  type Answer,
  type GuestReport,
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import { relay } from '../tracked';
import { Acceptance, writeAgain } from './acceptance';
import { PLACE_ATTRIBUTE, RECORD_ATTRIBUTE } from './facts';
import { platformError } from './faults';
import { Observations } from './observations';
import type { Ground } from './ground';
import { readGuest } from './guest';
import { Reader } from './reader';
import { Reading } from './reading';
import { Recorder, type RecordPlace } from './recorder';
import { untilGone } from './leaving';
import { Homes, VspherePlaces } from './placing';
import { absent, askingFor, unreadFor } from './replies';
import type { Scope } from './scope';
import { element, orAborted, SoapClient, type SoapOptions } from './soap';
import { Stream } from './stream';

/** What {@link VspherePlatform} works with. */
export interface VsphereOptions extends SoapOptions {
  /** Where VMs are found that a manifest names by nothing but its own name; absent: everywhere. */
  scope?: Scope;
  /** Where operations are recorded; absent: a custom attribute on vCenter, `extraConfig` on ESXi. */
  records?: RecordPlace;
  /** DRS places VMs by itself even if the automation level of their cluster leaves that to people. */
  overrideDrs?: boolean;
  /** Affinity rules are passed on to DRS. */
  drsRules?: boolean;
  /** Finds places; absent: the solver, in a thread. */
  solve?: Solve;
  /** The process only observes, and never asks for power. */
  watchOnly?: boolean;
  /** Called each time the stream breaks, with the milliseconds until it is opened again. */
  onBroken?: (error: unknown, retryIn: number) => void;
}

/** A {@link Platform} on a vSphere server. Runs from the start until `close`. */
export class VspherePlatform implements Platform {
  readonly name = 'vsphere';
  readonly capabilities: Capabilities;
  readonly #client: SoapClient;
  readonly #recorder: Recorder;
  readonly #placeRecorder: Recorder;
  readonly #observations: Observations;
  readonly #stream: Stream;
  readonly #reading: Reading;
  readonly #acceptance: Acceptance;
  readonly #homes: Homes;
  readonly #places: VspherePlaces;

  constructor(options: VsphereOptions) {
    const { scope = {}, records, overrideDrs = false, drsRules = false, watchOnly = false } = options;
    const stream = (): Stream => this.#stream;
    this.capabilities = capabilitiesOf({ type: 'vsphere', drsRules });
    this.#client = new SoapClient(options);
    this.#recorder = new Recorder(this.#client, RECORD_ATTRIBUTE, stream, records);
    this.#placeRecorder = new Recorder(this.#client, PLACE_ATTRIBUTE, stream, records);
    this.#observations = new Observations({
      scope,
      stream,
      watchOnly,
      recorder: this.#recorder,
      placeRecorder: this.#placeRecorder,
      homes: () => this.#homes,
      onOverwritten: (operation, facts) => void writeAgain(this.#recorder, operation, facts),
      onBroken: options.onBroken ?? (() => undefined),
    });
    const { inventory, bindings } = this.#observations;
    const homes = (this.#homes = new Homes({
      inventory,
      overrideDrs,
      drsRules,
      recorder: this.#placeRecorder,
      operationOf: (facts) => this.#observations.standings.recordOf(facts),
    }));
    const reader = new Reader(this.#client, [this.#recorder, this.#placeRecorder]);
    this.#reading = new Reading({ host: this.#client.host, observations: this.#observations, homes, reader });
    this.#places = new VspherePlaces({
      client: this.#client,
      stream,
      solve: options.solve ?? solveInThread,
      bindings,
      inventory,
      homes,
      recorder: this.#placeRecorder,
      drsRules,
      fetch: (ids, signal) => this.#reading.fetchTold(ids, signal),
      changed: (vm) => this.#observations.tell(vm),
    });
    this.#acceptance = new Acceptance({
      ground: this.#groundOf(homes, reader, overrideDrs),
      observations: this.#observations,
      reading: this.#reading,
      recorder: this.#recorder,
      onPowerOff: (id) => this.#places.poweredOff(id),
    });
    this.#stream = new Stream(this.#client, this.#observations, async () => {
      await this.#recorder.prepare();
      await this.#placeRecorder.prepare();
    });
  }

  /** What operations stand on. */
  #groundOf(homes: Homes, reader: Reader, overrideDrs: boolean): Ground {
    const { inventory } = this.#observations;
    return {
      client: this.#client,
      stream: () => this.#stream,
      facts: (vm) => inventory.vm(vm),
      until: (vm, met, signal) => this.#observations.until(vm, met, signal),
      changed: (vm) => this.#observations.tell(vm),
      recordStands: async (vm, signal) => {
        const facts = (await reader.read([vm], signal)).get(vm);
        return !facts || this.#observations.standings.recordStands(facts);
      },
      verify: () => this.#recorder.place === 'Attribute',
      home: (facts) => (facts.power === 'PoweredOff' ? homes.hostOf(facts) : undefined),
      drs: (vm) => {
        const datacenter = homes.placerOf(vm) === 'Drs' ? inventory.datacenter(vm) : undefined;
        return datacenter && { datacenter, override: overrideDrs };
      },
    };
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    const observations = this.#observations;
    await this.#reading.ready(signal, () => observations.live);
    if (signal.aborted) return;
    await relay(observations, sink, signal, (reason) =>
      platformError(reason, `the watch of ${this.#client.host}`),
    );
  }

  track(vms: readonly VirtualMachineRef[], all = false): void {
    this.#observations.track(vms, all);
  }

  mayHave(vm: VirtualMachineRef): boolean {
    const { bindings, inventory } = this.#observations;
    return !bindings.isMissing(vm) || unreadFor(vm, inventory) !== undefined;
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const bound = await this.#reading.find(vm, signal);
    if (!bound) return undefined;
    const at = Date.now();
    const facts = await this.#reading.fetch(vm, bound.id, signal);
    return facts && this.#reading.stateOf(vm, facts, at);
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    for (let look = 1; ; look += 1) {
      const bound = await this.#reading.find(request.vm, signal);
      if (!bound) return absent(request, this.#observations.bindings.resolve(request.vm), this.#client.host);
      const state = await this.#acceptance.accept(bound.id, request, signal);
      if (state) return state;
      await untilGone(this.#observations, { vm: request.vm, id: bound.id, look }, signal);
    }
  }

  async place(
    requests: PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const known = requests.flatMap(({ vm, optional }) => (optional ? [] : [vm]));
    return this.#placing(`places of ${requests.length} VMs`, known, signal, () =>
      this.#places.place(requests, options, signal),
    );
  }

  async preview(
    requests: PlacementRequest[],
    options: Pick<PlaceOptions, 'seed' | 'beside'>,
    signal?: AbortSignal,
  ): Promise<PlacementAnswer> {
    const known = requests.flatMap(({ vm, optional }) => (optional ? [] : [vm]));
    return this.#placing(`places of ${requests.length} VMs`, known, signal, () =>
      this.#places.preview(requests, options, signal),
    );
  }

  async release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    return this.#placing(`places of ${vms.length} VMs`, [], signal, () =>
      this.#places.release(vms, options, signal),
    );
  }

  async forget(caller: string, signal?: AbortSignal): Promise<void> {
    return this.#placing(`rules for ${caller}`, [], signal, () => this.#places.forget(caller, signal));
  }

  async #placing<T>(
    what: string,
    vms: readonly VirtualMachineRef[],
    signal: AbortSignal | undefined,
    step: () => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    await this.#reading.known(vms, signal);
    return orAborted(step(), signal).catch((error: unknown) => {
      throw platformError(error, what);
    });
  }

  async answer(vm: VirtualMachineRef, answer: Answer, signal?: AbortSignal): Promise<void> {
    const bound = await this.#reading.find(vm, signal);
    const facts = bound && (await this.#reading.fetch(vm, bound.id, signal));
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
    const bound = await this.#reading.find(vm, signal);
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
}
