/**
 * VMs that VM Operator manages (github.com/vmware-tanzu/vm-operator): power through `spec.powerState` of a VirtualMachine, its effect from
 * `status`. VM Operator's own VM controller does the work.
 *
 * PLATFORM-1, PLATFORM-2: see accept.ts of on-kubernetes. Requests are recorded on the VM itself, so they hold for every process and outlive each.
 * PLATFORM-3: see observe.ts.
 * PLATFORM-4: see place-patch.ts.
 * VMOPERATOR-3: a power operation is one PATCH, and nothing else, if the cache is up to date.
 * VMOPERATOR-5: see hold.ts.
 */
import { hostname } from 'node:os';
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import {
  leaseLocks,
  RESOURCES,
  resourceCache,
  trimVirtualMachine,
  type ApiServer,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { solveInThread, type Solve } from '../../placement';
import { CAPABILITIES, type Capabilities } from '../capabilities';
import { absentState, callsInTurn, followed, NewestObjects, type UpdateStep } from '../on-kubernetes';
import {
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import { patchToHold, placeOfVmOperator } from './hold';
import { gone } from './place-writer';
import { Placements } from './placements';
import { replyToPower } from './power-patch';
import { VmReports, type NewestVirtualMachines } from './vm-reports';
import { WARNINGS_OF_MACHINES, warningOf, type Warning } from './warnings';

/** What {@link VmOperatorPlatform} works with. */
export interface VmOperatorOptions {
  api: ApiServer;
  /** The VirtualMachines, shared by every part of the process. The platform does not stop it. */
  machines: ResourceCache<VirtualMachineObject>;
  /** Namespaces whose events are read; absent: all. */
  namespaces?: readonly string[];
  /** Milliseconds that VM Operator has to recover after a warning, before the operation counts as failed; absent: 10 s. */
  patience?: number;
  /** The process only observes, and never asks for power: it needs no right to read events, which have the causes of failed operations. */
  watchOnly?: boolean;
  /**
   * VM Operator's own group controller acts: it places VMs, and `place` only holds those that are not created yet (hold.ts). Nothing that this
   * controller owns is written.
   */
  companion?: boolean;
  /** Called if the events may not be read: then the causes of failed operations are not known. */
  onForbidden?: (error: unknown) => void;
  /** Finds places; absent: the solver, in a thread. */
  solve?: Solve;
  /** Called with each failed try to follow the events, and the milliseconds until the next one. */
  onBroken?: (error: unknown, retryIn: number) => void;
}

/** Name of the Lease, in each namespace, under which VMs are placed. */
export const PLACEMENT_LEASE = 'vmgroup-placement';

/** Milliseconds; a power-on takes a few seconds. */
const PATIENCE = 10_000;

/** A {@link Platform} on the VirtualMachines of an API server. Runs from the start until `close`. */
export class VmOperatorPlatform implements Platform {
  readonly name = 'vm-operator';
  readonly capabilities: Capabilities;
  readonly #companion: boolean;
  readonly #machines: ResourceCache<VirtualMachineObject>;
  readonly #vms: NewestVirtualMachines;
  readonly #reports: VmReports;
  readonly #placements: Placements;
  readonly #events: ResourceCache<Warning> | undefined;

  constructor(options: VmOperatorOptions) {
    const { api, machines, patience = PATIENCE, watchOnly = false, solve = solveInThread } = options;
    this.#companion = options.companion ?? false;
    this.capabilities = this.#companion
      ? { ...CAPABILITIES['vm-operator'], placement: 'Platform' }
      : CAPABILITIES['vm-operator'];
    this.#machines = machines;
    this.#reports = new VmReports(() => this.#vms, patience);
    this.#vms = new NewestObjects({
      api: callsInTurn(api),
      cache: machines,
      listener: this.#reports,
      resource: RESOURCES.virtualMachines,
      trim: trimVirtualMachine,
    });
    const identity = `${hostname()}_${process.pid}`;
    const locks = leaseLocks({ api, name: PLACEMENT_LEASE, identity });
    this.#placements = new Placements({ api, vms: this.#vms, locks, solve });
    if (watchOnly) return;
    this.#events = followWarnings(options);
    this.#events.onChange((change) => this.#reports.warned(change));
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    const addSink = (each: WatchSink): (() => void) => this.#reports.addSink(each);
    await followed([this.#machines], 'VirtualMachines', { sink, addSink }, signal);
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const object = await this.#vms.fetch(vm, signal);
    return object && this.#reports.stateOf(object);
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    const { vm } = request;
    const object = await this.#vms.current(vm, signal);
    return this.#vms.update(vm, object, (version) => this.#powerStep(version, request), {
      what: 'power state',
      signal,
    });
  }

  place(
    requests: PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    if (this.#companion) return Promise.all(requests.map(({ vm }) => this.#hold(vm, signal)));
    return this.#placements.place(requests, options, signal);
  }

  release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    // What VM Operator has placed is not ours to give back.
    if (this.#companion) return Promise.resolve([]);
    return this.#placements.release(vms, options, signal);
  }

  async close(): Promise<void> {
    this.#vms.close();
    await this.#events?.stop();
    this.#reports.close();
  }

  /** VMOPERATOR-5. */
  async #hold(vm: VirtualMachineRef, signal: AbortSignal | undefined): Promise<PlacementResult> {
    const object = await this.#vms.current(vm, signal);
    const placed = (version: VirtualMachineObject): PlacementResult => ({
      vm,
      placement: placeOfVmOperator(version),
    });
    const step = (
      version: VirtualMachineObject | undefined,
    ): UpdateStep<PlacementResult, VirtualMachineObject> => {
      if (!version) throw gone(vm);
      const patch = patchToHold(version);
      return patch ? { type: 'Patch', patch, result: placed } : { type: 'Done', result: placed(version) };
    };
    return this.#vms.update(vm, object, step, { what: 'power state', signal });
  }

  #powerStep(
    version: VirtualMachineObject | undefined,
    request: PowerRequest,
  ): UpdateStep<VirtualMachineState, VirtualMachineObject> {
    const reply = replyToPower(version, request, this.#vms.now(), this.#companion);
    switch (reply.type) {
      case 'Refused':
        throw reply.error;
      case 'Known':
        // Known only if there is an object.
        return { type: 'Done', result: this.#reports.stateOf(version as VirtualMachineObject) };
      case 'Absent':
        return { type: 'Done', result: absentState(request) };
      case 'Patch':
        return { type: 'Patch', patch: reply.patch, result: (written) => this.#reports.stateOf(written) };
    }
  }
}

function followWarnings(options: VmOperatorOptions): ResourceCache<Warning> {
  const { api, namespaces, onBroken, companion, onForbidden = () => undefined } = options;
  return resourceCache({
    api,
    resource: RESOURCES.events,
    fieldSelector: WARNINGS_OF_MACHINES,
    trim: warningOf,
    ...(companion && { onForbidden }),
    ...(namespaces && { namespaces }),
    ...(onBroken && { onBroken }),
  });
}
