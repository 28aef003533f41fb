/**
 * How places are written while other processes write theirs.
 *
 * TRACKED-3: two processes that place at the same moment never promise the same room twice, nor break a required
 *     rule together. A process writes its places as tentative, then reads those of others on the same hosts: of two that write, at least one sees the
 *     other. If its own conflict with those, it takes its own back and begins again after a random pause. A tentative place counts for other
 *     processes, and is chosen again by the next call for its VM.
 */
import pMap from 'p-map';
import { mistakes, type PlacementProblem } from '../../placement';
import type { FoundVm } from './bindings';
import type { Claim } from './claims';
import type { PlaceLookupOptions } from './place-lookup';
import type { PlaceRecord } from './place-record';
import type { Standing } from './placing';

/** VMs that are read or written at a time. */
export const AT_ONCE = 8;

/** What {@link Claiming} works with. */
export interface ClaimingOptions<T extends FoundVm> extends Pick<
  PlaceLookupOptions<T>,
  'fetch' | 'recordOf'
> {
  /**
   * The VMs that take room now, with what other processes have promised on these hosts since.
   *
   * @param own Ids of VMs whose places this process has just written.
   */
  review(
    own: ReadonlySet<string>,
    hosts: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<Standing[]>;
  /** Writes the place of a VM, and has it reported. */
  write(vm: T, place: Omit<PlaceRecord, 'hosts' | 'at'>, signal: AbortSignal | undefined): Promise<void>;
}

/** Claims places. */
export class Claiming<T extends FoundVm> {
  readonly #options: ClaimingOptions<T>;

  constructor(options: ClaimingOptions<T>) {
    this.#options = options;
  }

  /**
   * Writes places, and keeps them if they do not conflict with what others have written meanwhile. Returns whether it keeps them; TRACKED-3.
   *
   * @param problem the problem of these VMs, by their ids, among those that take room now.
   */
  async claim(
    claims: readonly Claim<T>[],
    problem: (standing: Standing[], own: ReadonlySet<string>) => PlacementProblem,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const each = (step: (claim: Claim<T>) => Promise<void>): Promise<void[]> =>
      pMap(claims, step, { concurrency: AT_ONCE });
    let stands = false;
    try {
      await each(({ vm, place }) => this.#options.write(vm, { ...place, tentative: true }, signal));
      const own = new Set(claims.map(({ vm }) => vm.id));
      const hosts = new Set(claims.map(({ placement }) => placement.node ?? placement.zoneID));
      const standing = await this.#options.review(own, hosts, signal);
      const given = claims.map(({ request: { vm }, placement }) => ({ ...vm, placement }));
      stands = mistakes(problem(standing, own), given).length === 0;
      if (stands) await each(({ vm, place }) => this.#options.write(vm, place, signal));
      return stands;
    } finally {
      if (!stands) await each((claim) => this.#takeBack(claim).catch(() => undefined));
    }
  }

  /** Unless another one has written since. One that cannot be taken back stays tentative. */
  async #takeBack({ vm: { id }, place }: Claim<T>): Promise<void> {
    const vm = (await this.#options.fetch([id], undefined)).get(id);
    const is = vm && this.#options.recordOf(vm);
    if (!vm || !is?.tentative || is.host !== place.host || is.caller !== place.caller) return;
    await this.#options.write(vm, { ...(place.released && { released: place.released }) }, undefined);
  }
}
