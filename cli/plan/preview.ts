/** Where the VMs of a plan would be placed: on the default platform, and on those that Platform objects describe. */
import type { PlaceInput, Plan } from '../../contract';
import type { PlatformNames } from '../../platforms';
import * as lazy from '../lazy';
import { DescribedPlacers } from './described';
import type { Placer, PlannedPlacement } from './planned-placement';

/** Where the VMs of one plan would be placed. */
export interface PlannedPlaces {
  /** On the default platform; absent: it is asked for no place. */
  placement?: PlannedPlacement;
  /** The VMs that other platforms are asked to place. */
  elsewhere?: { platform: string; vms: string[]; placement?: PlannedPlacement }[];
}

/** Asks the platforms for places, plan after plan. */
export class PlacementPreview {
  readonly #place: Placer;
  readonly #described: DescribedPlacers;

  /** @param place Answers for the default platform unless a Platform object describes it. */
  constructor(names: PlatformNames | undefined, place: Placer) {
    this.#place = place;
    this.#described = new DescribedPlacers(names);
  }

  /** The places for what a forecast of the plan asks. Nothing is changed. */
  async of(plan: Plan, places: readonly PlaceInput[]): Promise<PlannedPlaces> {
    const { here, elsewhere } = byPlatform(plan, places);
    const placement = here && ((await this.#described.place(undefined, here)) ?? (await this.#place(here)));
    const others: NonNullable<PlannedPlaces['elsewhere']> = [];
    for (const { platform, input } of elsewhere) {
      const there = await this.#described.place(platform, input);
      const vms = input.requests.map(({ vm }) => vm.name);
      others.push({ platform, vms, ...(there && { placement: there }) });
    }
    return { ...(placement && { placement }), ...(others.length > 0 && { elsewhere: others }) };
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#described.close();
  }
}

/** What a platform that is not the default one is asked to place. */
interface Elsewhere {
  platform: string;
  input: PlaceInput;
}

/** What the default platform is asked to place, and what others are. */
function byPlatform(
  plan: Plan,
  places: readonly PlaceInput[],
): { here: PlaceInput | undefined; elsewhere: Elsewhere[] } {
  const platforms = new Map(
    lazy
      .contract()
      .machinesOf(plan)
      .map(({ name, platform }) => [name, platform]),
  );
  const named = places.map((input) => ({ input, platform: platforms.get(input.requests[0]?.vm.name ?? '') }));
  return {
    here: named.find(({ platform }) => platform === undefined)?.input,
    elsewhere: named.flatMap(({ input, platform }) => (platform === undefined ? [] : [{ platform, input }])),
  };
}
