/**
 * Places VMs, and releases their places.
 *
 * VMOPERATOR-4: of several processes, only the holder of a namespace's lock finds and writes new places there. It reads the VMs
 *     from the API server, not from its cache. A process that lost the lock meanwhile, because it was paused, takes back what it wrote; if it
 *     dies before that, the next attempt of the call does.
 */
import { asError } from '../../api/unknown';
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
import { platformError, resourceName } from '../on-kubernetes';
import { PlatformError, type PlaceOptions, type ReleaseOptions } from '../platform';
import { choosePlaces, keptPlaces, type Places } from './choose-places';
import type { Candidate } from './placement-problem';
import type { NewestVirtualMachines } from './vm-reports';
import { refuseLate, replyToRelease } from './place-patch';
import { forEachVm, gone, PlaceWriter, type WrittenPlace } from './place-writer';

/** What {@link Placements} works with. */
export interface PlacementsOptions {
  api: ApiServer;
  vms: NewestVirtualMachines;
  /** The lock of each namespace. */
  locks: LeaseLocks;
  solve: Solve;
}

/** The placements of one process. */
export class Placements {
  readonly #options: PlacementsOptions;
  readonly #writer: PlaceWriter;

  constructor(options: PlacementsOptions) {
    this.#options = options;
    this.#writer = new PlaceWriter(options.vms);
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
    if (places.size === namespaces.length) return this.#writer.writeAll(candidates, places, options, signal);
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
    await forEachVm(vms, async (vm, index) => {
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

  /** VMOPERATOR-4. */
  async #placeLocked(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    locks: readonly HeldLock[],
    given: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    const signal = AbortSignal.any([...locks.map((lock) => lock.signal), ...(given ? [given] : [])]);
    const written: WrittenPlace[] = [];
    const placing = this.#choose(requests, options, signal).then(({ candidates, places }) =>
      this.#writer.writeAll(candidates, places, options, signal, written),
    );
    const [outcome] = await Promise.allSettled([placing]);
    if (written.length > 0 && !(await areHeld(locks))) {
      await this.#writer.takeBack(written);
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
      throw platformError(error, 'list', resourceName(RESOURCES.virtualMachines));
    }
    return found;
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

async function areHeld(locks: readonly HeldLock[]): Promise<boolean> {
  const held = await Promise.all(locks.map((lock) => lock.isHeld()));
  return !held.includes(false);
}

function lockLost(written: number): PlatformError {
  const back = written > 0 ? '; the places that it wrote are taken back' : '';
  return new PlatformError(
    'Transient',
    `this process lost the placement lock while it placed VMs: it was paused, or the API server was out of reach${back}`,
  );
}
