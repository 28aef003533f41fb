/**
 * VMs that VM Operator keeps (github.com/vmware-tanzu/vm-operator): power through `spec.powerState` of a VirtualMachine, its effect from
 * `status`. VM Operator's own VM controller does the work.
 *
 * PLATFORM-1, PLATFORM-2, VMOPERATOR-1, VMOPERATOR-2, PLATFORM-4: see decide.ts. What was asked stands on the VM itself, so it holds for every process and outlives each.
 * PLATFORM-3: see observe.ts.
 * VMOPERATOR-3: of two versions of a VM only the newer one is ever reported: what we wrote or read ourselves counts until the cache has caught up, and
 *     an echo from before is dropped. `status.at` is the time at which a version arrived here.
 * VMOPERATOR-4: a power operation is one PATCH, and nothing else, where the cache is up to date.
 * VMOPERATOR-5: of several processes one at a time finds and writes new places in a namespace: the one that holds its lock. It reads the VMs from the API
 *     server, not from its cache. A process that lost the lock meanwhile, as it was paused, takes back what it wrote; where it dies before
 *     that, the next attempt of the call does.
 */
import { hostname } from 'node:os';
import type { Placement } from '../../api';
import {
  isOlder,
  timerDelay,
  KubernetesError,
  leaseLocks,
  listObjects,
  RESOURCES,
  resourceCache,
  trimVirtualMachine,
  type ApiServer,
  type CacheChange,
  type HeldLock,
  type LeaseLocks,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { solveInThread, type Solve } from '../../placement';
import {
  PlatformError,
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import { type PlacementRequest, type PlacementResult, type VirtualMachineRef } from '../../contract';
import { PLACEMENT } from './annotations';
import {
  decidePlace,
  decidePower,
  decideRelease,
  decideTakeBack,
  refuseLate,
  type PlaceIntent,
} from './decide';
import { platformError } from './errors';
import { observe, refOf } from './observe';
import { choosePlaces, keptPlaces, type Candidate, type Placed } from './place';
import { WARNINGS_OF_MACHINES, warningOf, type Warning } from './warnings';

/** What {@link VmOperatorPlatform} works with. */
export interface VmOperatorOptions {
  api: ApiServer;
  /** The VirtualMachines, as every part of the process shares them. The platform does not stop it. */
  machines: ResourceCache<VirtualMachineObject>;
  /** Namespaces whose events are read; left out: all. */
  namespaces?: readonly string[];
  /** Milliseconds that VM Operator has to get over what it warned of, before the operation counts as failed; left out: 10 s. */
  patience?: number;
  /** The process only looks, and never asks for power: it needs no right to read events, where the causes of failed operations stand. */
  watchOnly?: boolean;
  /** Finds places; left out: the solver, in a thread. */
  solve?: Solve;
  /** Told of each failed try to follow the events, and of the milliseconds until the next one. */
  onBroken?: (error: unknown, retryIn: number) => void;
}

/** A version that the cache does not have yet. */
interface Ahead {
  object: VirtualMachineObject;
  at: number;
}

/** A VM on which a new place may have been written. */
interface Written {
  vm: VirtualMachineRef;
  intent: PlaceIntent;
  /** Text of the annotation that it had. */
  before: string | undefined;
}

/** Name of the Lease, in each namespace, under which VMs are placed. */
export const PLACEMENT_LEASE = 'vmgroup-placement';

/** As whom we write. */
const FIELD_MANAGER = 'vmgroup-worker';
/** Milliseconds; a power-on takes a few seconds. */
const PATIENCE = 10_000;
/** Milliseconds in which a watch opens. */
const OPENING = 5_000;
/** Tries to write before the attempt counts as failed: VM Operator writes a few times while a VM changes. */
const WRITES = 6;
/** VMs whose place is written at the same time. */
const WRITERS = 10;
/** Milliseconds for which our own version counts: after this much the cache has it, or the server was put back to an older state. */
const LONGEST_LAG = 60_000;
/** For error messages. */
const MACHINES = 'virtualmachines.vmoperator.vmware.com';

/** A {@link Platform} on the VirtualMachines of an API server. Runs from the start until `close`. */
export class VmOperatorPlatform implements Platform {
  readonly name = 'vm-operator';
  readonly #api: ApiServer;
  readonly #machines: ResourceCache<VirtualMachineObject>;
  readonly #patience: number;
  readonly #events: ResourceCache<Warning> | undefined;
  /** The last warning on each VM, by uid, with the key of its event. */
  readonly #warnings = new Map<string, Warning & { event: string }>();
  readonly #ahead = new Map<string, Ahead>();
  /** When each version of an object arrived. */
  readonly #arrivals = new WeakMap<VirtualMachineObject, number>();
  readonly #sinks = new Set<WatchSink>();
  readonly #reviews = new Map<string, NodeJS.Timeout>();
  readonly #endings: (() => void)[];
  readonly #locks: LeaseLocks;
  readonly #solve: Solve;
  #lastNow = 0;

  constructor(options: VmOperatorOptions) {
    const { api, machines, patience = PATIENCE, watchOnly = false } = options;
    this.#api = api;
    this.#machines = machines;
    this.#patience = patience;
    this.#solve = options.solve ?? solveInThread;
    const identity = `${hostname()}_${process.pid}`;
    this.#locks = leaseLocks({ api, name: PLACEMENT_LEASE, identity });
    this.#endings = [machines.onChange((change) => this.#arrived(change))];
    if (watchOnly) return;
    this.#events = followWarnings(options);
    this.#endings.push(this.#events.onChange((change) => this.#warned(change)));
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    await syncedOr(this.#machines, signal);
    await liveOr(this.#machines, signal);
    if (signal.aborted) return;
    if (!this.#machines.live) throw notLive(this.#machines.error);
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#sinks.delete(sink);
        notify();
        signal.removeEventListener('abort', stop);
        settle();
      };
      const stop = (): void => end(resolve);
      const notify = this.#machines.onLive((live) => {
        if (!live) end(() => reject(notLive(this.#machines.error)));
      });
      signal.addEventListener('abort', stop, { once: true });
      for (const key of this.#keys()) this.#tell(key, [sink]);
      sink.synced();
      this.#sinks.add(sink);
    });
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const object = await this.#fetch(vm, signal);
    return object && this.#state(object);
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    const { vm } = request;
    let object = await this.#current(vm, signal);
    for (let tries = 1; tries <= WRITES; tries += 1) {
      const decision = decidePower(object, request, Date.now());
      switch (decision.type) {
        case 'Refused':
          throw decision.error;
        case 'Known':
          // Known only where there is an object.
          return this.#state(object as VirtualMachineObject);
        case 'Absent':
          return absent(request);
        case 'Patch': {
          const written = await this.#write(vm, decision.patch, signal);
          if (written) return this.#state(written);
        }
      }
      object = await this.#fetch(vm, signal);
    }
    throw contended(vm, 'power state');
  }

  /** VMs that have their place keep it; the others are placed under the lock of their namespace, VMOPERATOR-5. */
  async place(
    requests: PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const namespaces = [...new Set(requests.map(({ vm }) => vm.namespace))].sort();
    const candidates = await this.#candidates(requests, options, signal);
    const places = new Map<string, Placed>();
    for (const namespace of namespaces) {
      const mine = inNamespace(candidates, namespace);
      const kept = await keptPlaces(this.#api, namespace, mine, options, signal);
      if (kept) places.set(namespace, kept);
    }
    if (places.size === namespaces.length) return this.#settleAll(candidates, places, options, signal);
    return this.#underLocks(
      namespaces,
      [],
      (locks) => this.#placeLocked(requests, options, locks, signal),
      signal,
    );
  }

  async release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    const free: boolean[] = [];
    await eachOf(vms, WRITERS, async (vm, index) => {
      free[index] = await this.#release(vm, options, signal);
    });
    return vms.filter((_, index) => free[index]);
  }

  async close(): Promise<void> {
    for (const end of this.#endings) end();
    for (const timer of this.#reviews.values()) clearTimeout(timer);
    this.#reviews.clear();
    await this.#events?.stop();
  }

  async #candidates(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<Candidate[]> {
    return Promise.all(
      requests.map(async (request): Promise<Candidate> => {
        const object = await this.#current(request.vm, signal);
        if (!object) throw gone(request.vm);
        refuseLate(object, options);
        return { request, object };
      }),
    );
  }

  /** Takes the locks in the order of the namespaces, as every process does. */
  async #underLocks<T>(
    namespaces: readonly string[],
    held: readonly HeldLock[],
    work: (locks: readonly HeldLock[]) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const [namespace, ...rest] = namespaces;
    if (namespace === undefined) return work(held);
    try {
      return await this.#locks.withLock(
        namespace,
        (lock) => this.#underLocks(rest, [...held, lock], work, signal),
        signal,
      );
    } catch (error: unknown) {
      signal?.throwIfAborted();
      throw platformError(error, 'get, create and update', 'leases.coordination.k8s.io');
    }
  }

  /** VMOPERATOR-5. */
  async #placeLocked(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    locks: readonly HeldLock[],
    given: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    const signal = AbortSignal.any([...locks.map((lock) => lock.signal), ...(given ? [given] : [])]);
    const written: Written[] = [];
    const placing = this.#choose(requests, options, signal).then(({ candidates, places }) =>
      this.#settleAll(candidates, places, options, signal, written),
    );
    const [outcome] = await Promise.allSettled([placing]);
    if (written.length > 0 && !(await areHeld(locks))) {
      await this.#takeBack(written);
      throw lockLost(written.length);
    }
    given?.throwIfAborted();
    if (signal.aborted) throw lockLost(0);
    return outcome.status === 'fulfilled' ? outcome.value : Promise.reject(asError(outcome.reason));
  }

  /** Finds places on what the API server has now: what other processes have promised may not be in the cache yet. */
  async #choose(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal,
  ): Promise<{ candidates: Candidate[]; places: Map<string, Placed> }> {
    const places = new Map<string, Placed>();
    const all: Candidate[] = [];
    for (const namespace of new Set(requests.map(({ vm }) => vm.namespace))) {
      const objects = await this.#listed(namespace, signal);
      const candidates = requests
        .filter(({ vm }) => vm.namespace === namespace)
        .map((request): Candidate => {
          const object = objects.get(request.vm.uid);
          if (!object) throw gone(request.vm);
          refuseLate(object, options);
          objects.delete(request.vm.uid);
          return { request, object };
        });
      const others = [...objects.values()];
      const placing = { namespace, candidates, others, options, solve: this.#solve };
      places.set(namespace, await choosePlaces(this.#api, placing, signal));
      all.push(...candidates);
    }
    const at = new Map(requests.map(({ vm }, index) => [vm.uid, index]));
    all.sort((a, b) => (at.get(a.request.vm.uid) ?? 0) - (at.get(b.request.vm.uid) ?? 0));
    return { candidates: all, places };
  }

  /** By uid. */
  async #listed(namespace: string, signal: AbortSignal): Promise<Map<string, VirtualMachineObject>> {
    const found = new Map<string, VirtualMachineObject>();
    try {
      for await (const object of listObjects(this.#api, RESOURCES.virtualMachines, namespace, { signal }))
        found.set(object.metadata.uid ?? '', trimVirtualMachine(object));
    } catch (error: unknown) {
      throw platformError(error, 'list', MACHINES);
    }
    return found;
  }

  /** Writes the places, and says in `written` which VMs may have a new one. */
  async #settleAll(
    candidates: readonly Candidate[],
    places: ReadonlyMap<string, Placed>,
    options: PlaceOptions,
    signal: AbortSignal | undefined,
    written: Written[] = [],
  ): Promise<PlacementResult[]> {
    const results: PlacementResult[] = [];
    await eachOf(candidates, WRITERS, async ({ request: { vm }, object }, index) => {
      const { placements, fresh, zones, notes, unplaced } = places.get(vm.namespace) as Placed;
      const message = unplaced.get(vm.uid);
      if (message !== undefined) {
        results[index] = { vm, unplaced: message };
        return;
      }
      const isFresh = fresh.has(vm.uid);
      const chosen = isFresh ? placements.get(vm.uid) : undefined;
      const intent: PlaceIntent = { ...options, zones, ...(chosen && { chosen }) };
      signal?.throwIfAborted();
      if (isFresh) written.push({ vm, intent, before: object.metadata.annotations?.[PLACEMENT] });
      const placement = await this.#settle(object, intent, signal);
      const note = notes.get(vm.uid);
      results[index] = { vm, placement, ...(note !== undefined && { note }) };
    });
    return results;
  }

  /** VMOPERATOR-5. What cannot be taken back now, the next attempt of the call looks at. */
  async #takeBack(written: readonly Written[]): Promise<void> {
    await eachOf(written, WRITERS, async ({ vm, intent, before }) => {
      for (let tries = 1; tries <= WRITES; tries += 1) {
        const object = await this.#fetch(vm).catch(() => undefined);
        const patch = object && decideTakeBack(object, intent, before);
        if (!patch || (await this.#write(vm, patch).catch(() => undefined))) return;
      }
    });
  }

  /** Lets a VM's place stand on the VM; VMOPERATOR-2. */
  async #settle(given: VirtualMachineObject, intent: PlaceIntent, signal?: AbortSignal): Promise<Placement> {
    const vm = refOf(given);
    let object: VirtualMachineObject | undefined = given;
    for (let tries = 1; tries <= WRITES; tries += 1) {
      if (!object) throw gone(vm);
      const { placement, patch } = decidePlace(object, intent);
      if (!patch || (await this.#write(vm, patch, signal))) return placement;
      object = await this.#fetch(vm, signal);
    }
    throw contended(vm, 'place');
  }

  /** Whether the VM has no place now; PLATFORM-4. */
  async #release(vm: VirtualMachineRef, options: ReleaseOptions, signal?: AbortSignal): Promise<boolean> {
    let object = await this.#current(vm, signal);
    for (let tries = 1; tries <= WRITES; tries += 1) {
      const decision = decideRelease(object, options);
      if (decision.type !== 'Patch') return decision.type === 'Free';
      if (await this.#write(vm, decision.patch, signal)) return true;
      object = await this.#fetch(vm, signal);
    }
    throw contended(vm, 'place');
  }

  // ---- What is known --------------------------------------------------------------------------------------------------------------

  /** The newest version, from the cache where that is up to date; undefined where the server has none of that uid. */
  async #current(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineObject | undefined> {
    const known = this.#machines.live ? this.#newest(keyOf(vm)) : undefined;
    return known?.metadata.uid === vm.uid ? known : this.#fetch(vm, signal);
  }

  async #fetch(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineObject | undefined> {
    try {
      const object = await this.#api.get(RESOURCES.virtualMachines, vm, signal && { signal });
      const newest = object && this.#remember(trimVirtualMachine(object));
      return newest?.metadata.uid === vm.uid ? newest : undefined;
    } catch (error: unknown) {
      throw platformError(error, 'get', MACHINES);
    }
  }

  /** The new version; undefined where the patch was decided on an older one than there is. */
  async #write(
    vm: VirtualMachineRef,
    patch: object,
    signal?: AbortSignal,
  ): Promise<VirtualMachineObject | undefined> {
    try {
      const object = await this.#api.merge(RESOURCES.virtualMachines, vm, patch, {
        fieldManager: FIELD_MANAGER,
        ...(signal && { signal }),
      });
      return this.#remember(trimVirtualMachine(object));
    } catch (error: unknown) {
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return undefined;
      throw platformError(error, 'patch', MACHINES);
    }
  }

  *#keys(): IterableIterator<string> {
    for (const [key] of this.#machines.entries()) yield key;
    for (const key of this.#ahead.keys()) if (!this.#machines.get(key)) yield key;
  }

  #newest(key: string): VirtualMachineObject | undefined {
    const ahead = this.#ahead.get(key);
    if (ahead && Date.now() - ahead.at < LONGEST_LAG) return ahead.object;
    return this.#machines.get(key);
  }

  /** VMOPERATOR-3. Returns the newest version that is known, which need not be this one. */
  #remember(object: VirtualMachineObject): VirtualMachineObject {
    const key = keyOf(object.metadata);
    const known = this.#newest(key);
    if (known && isOlder(object, known)) return known;
    const at = this.#now();
    this.#arrivals.set(object, at);
    this.#ahead.set(key, { object, at });
    this.#tell(key, this.#sinks);
    return object;
  }

  /** VMOPERATOR-3. */
  #arrived({ key, object, previous }: CacheChange<VirtualMachineObject>): void {
    const ahead = this.#ahead.get(key);
    const fresh = ahead && Date.now() - ahead.at < LONGEST_LAG ? ahead.object : undefined;
    if (object) {
      this.#arrivals.set(object, this.#now());
      if (fresh && isOlder(object, fresh)) return;
      this.#ahead.delete(key);
      this.#tell(key, this.#sinks);
      return;
    }
    // Another VM of the same name may be known already.
    if (fresh && fresh.metadata.uid !== previous.metadata.uid) return;
    this.#ahead.delete(key);
    this.#forget(key);
    for (const sink of this.#sinks) sink.deleted(refOf(previous));
  }

  #warned({ key, object, previous }: CacheChange<Warning>): void {
    if (!object) {
      if (this.#warnings.get(previous.vm.uid)?.event === key) this.#warnings.delete(previous.vm.uid);
      return;
    }
    const { uid } = object.vm;
    const known = this.#warnings.get(uid);
    if (known && known.event !== key && known.last > object.last) return;
    this.#warnings.set(uid, {
      ...object,
      first: Math.min(object.first, known?.first ?? Infinity),
      event: key,
    });
    this.#tell(keyOf(object.vm), this.#sinks);
  }

  // ---- What is told ---------------------------------------------------------------------------------------------------------------

  /** Never backwards, whatever the clock does. */
  #now(): number {
    this.#lastNow = Math.max(this.#lastNow, Date.now());
    return this.#lastNow;
  }

  #state(object: VirtualMachineObject): VirtualMachineState {
    return this.#observe(object).state;
  }

  #observe(object: VirtualMachineObject): ReturnType<typeof observe> {
    const now = this.#now();
    return observe(object, {
      // What was in the cache before the platform was made arrived by the time of the last word from the server.
      at: this.#arrivals.get(object) ?? this.#machines.lastContactAt ?? now,
      now,
      warning: this.#warnings.get(object.metadata.uid ?? ''),
      patience: this.#patience,
    });
  }

  #tell(key: string, sinks: Iterable<WatchSink>): void {
    const object = this.#newest(key);
    if (!object) return;
    const { state, reviewAt } = this.#observe(object);
    this.#forget(key);
    if (reviewAt !== undefined) {
      const timer = setTimeout(() => this.#tell(key, this.#sinks), timerDelay(reviewAt - Date.now()));
      this.#reviews.set(key, timer.unref());
    }
    for (const sink of sinks) sink.changed(state);
  }

  #forget(key: string): void {
    clearTimeout(this.#reviews.get(key));
    this.#reviews.delete(key);
  }
}

/** Does `work` with each item, at most `limit` at a time. After a failure no other is begun, and what was begun is waited for. */
async function eachOf<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const left = items.entries();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (failures.length > 0) return;
      await work(item, index).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  if (failures.length > 0) throw failures[0];
}

async function areHeld(locks: readonly HeldLock[]): Promise<boolean> {
  const held = await Promise.all(locks.map((lock) => lock.isHeld()));
  return !held.includes(false);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function inNamespace(candidates: readonly Candidate[], namespace: string): Candidate[] {
  return candidates.filter(({ request }) => request.vm.namespace === namespace);
}

function lockLost(written: number): PlatformError {
  const back = written > 0 ? '; the places that were written are taken back' : '';
  return new PlatformError(
    'Transient',
    `this process lost the placement lock while it placed VMs: it was paused, or the API server was out of reach${back}`,
  );
}

function contended({ namespace, name }: VirtualMachineRef, what: string): PlatformError {
  return new PlatformError(
    'Transient',
    `VirtualMachine ${namespace}/${name} was changed by somebody else each of ${WRITES} times that its ${what} was to be written`,
  );
}

/** Whoever plans has not heard of it yet; the next plan is without it. */
function gone({ namespace, name, uid }: VirtualMachineRef): PlatformError {
  return new PlatformError(
    'Transient',
    `VirtualMachine ${namespace}/${name} (uid ${uid}) does not exist any more, so it cannot be placed`,
  );
}

function followWarnings({ api, namespaces, onBroken }: VmOperatorOptions): ResourceCache<Warning> {
  return resourceCache({
    api,
    resource: RESOURCES.events,
    fieldSelector: WARNINGS_OF_MACHINES,
    trim: warningOf,
    ...(namespaces && { namespaces }),
    ...(onBroken && { onBroken }),
  });
}

/** A VM that does not exist is off. */
function absent({ vm, operation }: PowerRequest): VirtualMachineState {
  return {
    vm,
    status: { powerState: 'PoweredOff', at: Date.now() },
    operation: { ...operation, phase: 'Done' },
  };
}

function keyOf({ namespace, name }: { namespace?: string; name: string }): string {
  return `${namespace}/${name}`;
}

function notLive(error: unknown): PlatformError {
  const why = error instanceof Error ? error.message : 'it is not read yet';
  return new PlatformError('Transient', `the list of VirtualMachines is not up to date: ${why}`, undefined, {
    cause: error,
  });
}

/** Resolves once every watch is open, {@link OPENING} passed, or `signal` aborts. */
async function liveOr(cache: ResourceCache<unknown>, signal: AbortSignal): Promise<void> {
  if (cache.live || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, OPENING);
    const stop = cache.onLive(end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Resolves once everything was listed, or `signal` aborts. */
async function syncedOr(cache: ResourceCache<unknown>, signal: AbortSignal): Promise<void> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await Promise.race([cache.synced(), stopped]);
  signal.removeEventListener('abort', stop);
}
