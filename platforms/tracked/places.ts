/**
 * Places of VMs that can start on several hosts: chosen by the solver, and recorded on the VM.
 *
 * TRACKED-2: within the process one call for places at a time; each counts the places on record and the VMs that run. A place is on record before
 *     the call ends.
 */
import pMap from 'p-map';
import type { Placement } from '../../api';
import type { Neighbour, PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import type { PlacementAnswer, PlacementProblem, Solve, VmPlacement } from '../../placement';
import {
  lateCallMessage,
  PlatformError,
  virtualMachineKey,
  type PlaceOptions,
  type ReleaseOptions,
} from '../platform';
import type { FoundVm } from './bindings';
import { AT_ONCE, Claiming, type ClaimingOptions } from './claiming';
import { claimsOf, type Asked } from './claims';
import { isLate, isReleasedBy } from './place-record';
import { PlaceLookup, type PlaceLookupOptions } from './place-lookup';
import { sleep } from '../sleep';
import { allStaying, problemOf, withoutStandIns, type Candidate, type Standing, type World } from './placing';

/** What places work with. */
export interface PlacesOptions<T extends FoundVm> extends PlaceLookupOptions<T>, ClaimingOptions<T> {
  solve: Solve;
  /** What VMs to be placed ask for, and the world that they are placed into, without their neighbours. */
  world(
    asked: readonly Asked<T>[],
    signal: AbortSignal | undefined,
  ): Promise<{ candidates: Candidate[]; world: Pick<World, 'hosts' | 'standing'> }>;
}

/** What a solution was found for. */
interface Posed {
  candidates: Candidate[];
  world: Pick<World, 'hosts' | 'standing'>;
}

/** Attempts of one call to find places that those of other processes leave room for. */
const ATTEMPTS = 6;
/** Milliseconds; the pause before the second attempt is twice this at most, and twice as much before each further one. */
const FIRST_PAUSE = 50;

/** Gives places and takes them back. */
export class Places<T extends FoundVm> {
  readonly #options: PlacesOptions<T>;
  readonly #lookup: PlaceLookup<T>;
  readonly #claiming: Claiming<T>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PlacesOptions<T>) {
    this.#options = options;
    this.#lookup = new PlaceLookup(options);
    this.#claiming = new Claiming(options);
  }

  /** As {@link Platform.place}. */
  place(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    return this.#inTurn(() => this.#place(requests, options, signal));
  }

  /** The places that {@link place} would give, which are not given. */
  async preview(
    requests: readonly PlacementRequest[],
    { seed, beside = [] }: Pick<PlaceOptions, 'seed' | 'beside'>,
    signal: AbortSignal | undefined,
  ): Promise<PlacementAnswer> {
    const { kept, fresh } = await this.#lookup.look(requests, signal);
    const { answer, candidates } = await this.#solve(fresh, { seed, beside }, signal);
    const stay = kept.map(({ request, placement }): VmPlacement => {
      const { namespace, name, uid } = request.vm;
      return { namespace, name, uid, placement };
    });
    const shown = withoutStandIns(answer, candidates);
    return shown.type === 'Placed' ? { ...shown, placements: [...stay, ...shown.placements] } : shown;
  }

  /** As {@link Platform.release}. */
  release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineRef[]> {
    return this.#inTurn(async () => {
      const there = await this.#lookup.fetch(vms, signal);
      const free = await this.#each(vms, async (vm) => {
        const found = there.get(this.#lookup.idOf(vm) ?? '');
        return !found || (await this.#release(found, options, signal)) ? [vm] : [];
      });
      return free.flat();
    });
  }

  async #inTurn<R>(step: () => Promise<R>): Promise<R> {
    const mine = this.#last.then(step, step);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  #each<I, R>(all: readonly I[], step: (each: I) => Promise<R>): Promise<R[]> {
    return pMap(all, step, { concurrency: AT_ONCE });
  }

  async #place(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    const { kept, fresh, unplaced } = await this.#lookup.look(requests, signal);
    for (const { request, vm } of [...kept, ...fresh]) this.#refuseLate(request.vm, vm, options);
    const results = new Map<string, PlacementResult>();
    for (const { request, why } of unplaced) results.set(request.vm.uid, { vm: request.vm, unplaced: why });
    await this.#each(kept, async (each) => {
      await this.#keep(each.vm, options, signal);
      results.set(each.request.vm.uid, { vm: each.request.vm, placement: each.placement });
    });
    if (fresh.length > 0) await this.#give(fresh, options, results, signal);
    return requests.map(({ vm }) => results.get(vm.uid) ?? { vm, unplaced: 'no place was found' });
  }

  /** Finds places, and promises them. @throws PlatformError `NoCapacity`; `Transient` if others take them each time */
  async #give(
    fresh: readonly Asked<T>[],
    options: PlaceOptions,
    results: Map<string, PlacementResult>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { answer, ...posed } = await this.#solve(fresh, options, signal);
      if (answer.type !== 'Placed') throw new PlatformError('NoCapacity', answer.message);
      const claims = claimsOf(fresh, answer.placements, (vm) => this.#options.recordOf(vm), options);
      const posedTo = (standing: Standing[], own: ReadonlySet<string>): PlacementProblem =>
        this.#problem(
          posed.candidates.filter(({ id }) => own.has(id)),
          { ...posed.world, standing },
          options.beside,
        );
      if (await this.#claiming.claim(claims, posedTo, signal)) {
        for (const { request, placement } of claims)
          results.set(request.vm.uid, {
            vm: request.vm,
            placement: { zoneID: placement.zoneID, ...nodeOf(placement) },
          });
        const byUid = new Map(fresh.map(({ request }) => [request.vm.uid, request.vm]));
        for (const { uid, message } of answer.unplaced ?? []) {
          const vm = byUid.get(uid);
          if (vm) results.set(uid, { vm, unplaced: message });
        }
        return;
      }
      if (attempt === ATTEMPTS)
        throw new PlatformError(
          'Transient',
          `other processes place VMs on the same hosts at the same time: ${ATTEMPTS} attempts conflicted with theirs`,
        );
      await sleep(Math.random() * FIRST_PAUSE * 2 ** attempt, signal ?? new AbortController().signal);
      signal?.throwIfAborted();
    }
  }

  /** A place that was only promised is promised to the last caller that asks. */
  async #keep(vm: T, { caller, sequence }: PlaceOptions, signal: AbortSignal | undefined): Promise<void> {
    const record = this.#options.recordOf(vm);
    const newer = record?.caller !== caller || (sequence ?? 0) > (record.sequence ?? 0);
    if (!this.#options.isMovable(vm) || record?.caller === undefined || !newer) return;
    const { hosts: _hosts, at: _at, ...place } = record;
    await this.#options.write(vm, { ...place, caller, ...(sequence !== undefined && { sequence }) }, signal);
  }

  async #solve(
    fresh: readonly Asked<T>[],
    { seed, beside = [] }: { seed?: number | undefined; beside?: readonly Neighbour[] | undefined },
    signal: AbortSignal | undefined,
  ): Promise<Posed & { answer: PlacementAnswer }> {
    const { candidates, world } = await this.#options.world(fresh, signal);
    const problem = this.#problem(candidates, world, beside);
    const seeded = { ...problem, ...(seed !== undefined && { seed }) };
    const answer = allStaying(problem, candidates) ?? (await this.#options.solve(seeded, signal));
    return { answer, candidates, world };
  }

  #problem(
    candidates: readonly Candidate[],
    world: Posed['world'],
    beside: readonly Neighbour[] = [],
  ): PlacementProblem {
    return problemOf(candidates, { ...world, beside, idOf: (vm) => this.#lookup.idOf(vm) });
  }

  /** PLATFORM-4. Whether the VM has no place now. */
  async #release(vm: T, options: ReleaseOptions, signal: AbortSignal | undefined): Promise<boolean> {
    if (!this.#options.isMovable(vm)) return false;
    const record = this.#options.recordOf(vm);
    if (this.#options.placementOf(vm) && !(record && isReleasedBy(record, options))) return false;
    const { caller, sequence } = options;
    const { released } = record ?? {};
    if (released?.caller !== caller || released.sequence < sequence)
      await this.#options.write(vm, { released: { caller, sequence } }, signal);
    return true;
  }

  #refuseLate(ref: VirtualMachineRef, vm: T, options: PlaceOptions): void {
    if (isLate(this.#options.recordOf(vm), options))
      throw new PlatformError('Superseded', lateCallMessage(options.caller, virtualMachineKey(ref)));
  }
}

function nodeOf({ node }: Placement): { node?: string } {
  return node === undefined ? {} : { node };
}
