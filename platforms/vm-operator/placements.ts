/**
 * Places VMs, and releases their places.
 *
 * VMOPERATOR-5: of several processes one at a time finds and writes new places in a namespace: the one that holds its lock. It reads the VMs
 *     from the API server, not from its cache. A process that lost the lock meanwhile, because it was paused, takes back what it wrote; if it
 *     dies before that, the next attempt of the call does.
 */
import pMap from 'p-map';
import type { Placement } from '../../api';
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import {
  listObjects,
  RESOURCES,
  trimVirtualMachine,
  type ApiServer,
  type HeldLock,
  type LeaseLocks,
  type VirtualMachineObject,
} from '../../kubernetes';
import type { Solve } from '../../placement';
import { PlatformError, type PlaceOptions, type ReleaseOptions } from '../platform';
import { PLACEMENT } from './annotations';
import { choosePlaces, keptPlaces, type Places } from './choose-places';
import { platformError } from './errors';
import type { Candidate } from './placement-problem';
import { MACHINES, WRITES, type NewestVms } from './newest-vms';
import { refOf } from './observe';
import { patchForPlace, patchToTakeBack, refuseLate, replyToRelease, type PlaceIntent } from './place-patch';

/** What {@link Placements} works with. */
export interface PlacementsOptions {
  api: ApiServer;
  vms: NewestVms;
  /** The lock of each namespace. */
  locks: LeaseLocks;
  solve: Solve;
}

/** A VM on which a new place may have been written. */
interface WrittenPlace {
  vm: VirtualMachineRef;
  intent: PlaceIntent;
  /** Text of the annotation that it had. */
  before: string | undefined;
}

/** VMs whose place is written at the same time. */
const WRITERS = 10;

/** The placements of one process. */
export class Placements {
  readonly #options: PlacementsOptions;

  constructor(options: PlacementsOptions) {
    this.#options = options;
  }

  /** VMs that have their place keep it; the others are placed under the lock of their namespace. */
  async place(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const namespaces = [...new Set(requests.map(({ vm }) => vm.namespace))].sort();
    const candidates = await this.#candidates(requests, options, signal);
    const places = new Map<string, Places>();
    for (const namespace of namespaces) {
      const mine = candidates.filter(({ request }) => request.vm.namespace === namespace);
      const kept = await keptPlaces(this.#options.api, namespace, mine, options, signal);
      if (kept) places.set(namespace, kept);
    }
    if (places.size === namespaces.length) return this.#writeAll(candidates, places, options, signal);
    const work = (locks: readonly HeldLock[]): Promise<PlacementResult[]> =>
      this.#placeLocked(requests, options, locks, signal);
    return this.#underLocks(namespaces, [], work, signal);
  }

  /** Resolves with the VMs that have no place now. */
  async release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    const free: boolean[] = [];
    await forEach(vms, async (vm, index) => {
      free[index] = await this.#release(vm, options, signal);
    });
    return vms.filter((_, index) => free[index]);
  }

  async #candidates(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<Candidate[]> {
    return Promise.all(
      requests.map(async (request) =>
        candidate(request, await this.#options.vms.current(request.vm, signal), options),
      ),
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
      return await this.#options.locks.withLock(
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
    const written: WrittenPlace[] = [];
    const placing = this.#choose(requests, options, signal).then(({ candidates, places }) =>
      this.#writeAll(candidates, places, options, signal, written),
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

  /** Finds places on the VMs that the API server has now: the cache may lack what other processes have promised. */
  async #choose(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal,
  ): Promise<{ candidates: Candidate[]; places: Map<string, Places> }> {
    const { api, solve } = this.#options;
    const places = new Map<string, Places>();
    const found = new Map<string, Candidate>();
    for (const namespace of new Set(requests.map(({ vm }) => vm.namespace))) {
      const objects = await this.#list(namespace, signal);
      const candidates = requests
        .filter(({ vm }) => vm.namespace === namespace)
        .map((request) => {
          const { uid } = request.vm;
          const each = candidate(request, objects.get(uid), options);
          objects.delete(uid);
          found.set(uid, each);
          return each;
        });
      const others = [...objects.values()];
      places.set(
        namespace,
        await choosePlaces(api, { namespace, candidates, others, options, solve }, signal),
      );
    }
    return { candidates: requests.flatMap(({ vm }) => found.get(vm.uid) ?? []), places };
  }

  /** The VMs of a namespace by uid, from the server. */
  async #list(namespace: string, signal: AbortSignal): Promise<Map<string, VirtualMachineObject>> {
    const found = new Map<string, VirtualMachineObject>();
    try {
      for await (const object of listObjects(this.#options.api, RESOURCES.virtualMachines, namespace, {
        signal,
      }))
        found.set(object.metadata.uid ?? '', trimVirtualMachine(object));
    } catch (error: unknown) {
      throw platformError(error, 'list', MACHINES);
    }
    return found;
  }

  /** Writes the places by namespace. Adds to `written` the VMs that may have a new one. */
  async #writeAll(
    candidates: readonly Candidate[],
    places: ReadonlyMap<string, Places>,
    options: PlaceOptions,
    signal: AbortSignal | undefined,
    written: WrittenPlace[] = [],
  ): Promise<PlacementResult[]> {
    const results: PlacementResult[] = [];
    await forEach(candidates, async ({ request: { vm }, object }, index) => {
      const { placements, fresh, zones, notes, unplaced } = places.get(vm.namespace) as Places;
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
      const placement = await this.#write(object, intent, signal);
      const note = notes.get(vm.uid);
      results[index] = { vm, placement, ...(note !== undefined && { note }) };
    });
    return results;
  }

  /** Records a VM's place on the VM; VMOPERATOR-2. */
  #write(object: VirtualMachineObject, intent: PlaceIntent, signal?: AbortSignal): Promise<Placement> {
    const vm = refOf(object);
    return this.#options.vms.update<Placement>(
      vm,
      object,
      (version) => {
        if (!version) throw gone(vm);
        const { placement, patch } = patchForPlace(version, intent);
        return patch
          ? { type: 'Patch', patch, result: () => placement }
          : { type: 'Done', result: placement };
      },
      { what: 'place', signal },
    );
  }

  /** What cannot be taken back now, the next attempt of the call checks. */
  async #takeBack(written: readonly WrittenPlace[]): Promise<void> {
    const { vms } = this.#options;
    await forEach(written, async ({ vm, intent, before }) => {
      for (let tries = 1; tries <= WRITES; tries += 1) {
        const object = await vms.fetch(vm).catch(() => undefined);
        const patch = object && patchToTakeBack(object, intent, before);
        if (!patch || (await vms.write(vm, patch).catch(() => undefined))) return;
      }
    });
  }

  /** Whether the VM has no place now; PLATFORM-4. */
  async #release(vm: VirtualMachineRef, options: ReleaseOptions, signal?: AbortSignal): Promise<boolean> {
    const { vms } = this.#options;
    return vms.update<boolean>(
      vm,
      await vms.current(vm, signal),
      (version) => {
        const reply = replyToRelease(version, options);
        return reply.type === 'Patch'
          ? { type: 'Patch', patch: reply.patch, result: () => true }
          : { type: 'Done', result: reply.type === 'Free' };
      },
      { what: 'place', signal },
    );
  }
}

/** A VM to be placed. The caller may not know yet that it is gone; its next plan is without it. */
function candidate(
  request: PlacementRequest,
  object: VirtualMachineObject | undefined,
  options: PlaceOptions,
): Candidate {
  if (!object) throw gone(request.vm);
  refuseLate(object, options);
  return { request, object };
}

/** Does `work` with a few items at a time. After a failure no other is begun, and the running ones are waited for. */
async function forEach<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const mapper = async (item: T, index: number): Promise<void> => {
    if (failures.length === 0) await work(item, index).catch((error: unknown) => failures.push(error));
  };
  await pMap(items, mapper, { concurrency: WRITERS });
  if (failures.length > 0) throw failures[0];
}

async function areHeld(locks: readonly HeldLock[]): Promise<boolean> {
  const held = await Promise.all(locks.map((lock) => lock.isHeld()));
  return !held.includes(false);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function lockLost(written: number): PlatformError {
  const back = written > 0 ? '; the places that it wrote are taken back' : '';
  return new PlatformError(
    'Transient',
    `this process lost the placement lock while it placed VMs: it was paused, or the API server was out of reach${back}`,
  );
}

/** The error for a VM that is to be placed and does not exist any more. */
export function gone({ namespace, name, uid }: VirtualMachineRef): PlatformError {
  return new PlatformError(
    'Transient',
    `VirtualMachine ${namespace}/${name} (uid ${uid}) no longer exists, so it cannot be placed`,
  );
}
