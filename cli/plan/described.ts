/** Where platforms that Platform objects describe would place VMs: asked there, of the code that places them in a run. */
import type { PlatformSettings } from '../../api';
import type { PlaceInput } from '../../contract';
import type { Platform, PlatformNames } from '../../platforms';
import { messageOf } from '../errors';
import { openQuietly } from '../runtime';
import { unknownPlacement, type PlannedPlacement } from './planned-placement';

/** Milliseconds for the answer of one platform. */
const ANSWER = 30_000;

/** The platforms that are asked, each opened once. */
export class DescribedPlacers {
  readonly #names: PlatformNames | undefined;
  readonly #open = new Map<string, Platform | undefined>();

  constructor(names: PlatformNames | undefined) {
    this.#names = names;
  }

  /**
   * Where a platform would place VMs, each call as if it were the only one; undefined: the platform cannot be asked. Never rejects.
   *
   * @param platform its name; absent: the default one.
   */
  async place(platform: string | undefined, input: PlaceInput): Promise<PlannedPlacement | undefined> {
    const settings = this.#names?.settingsOf({
      namespace: '',
      ...(platform !== undefined && { platform }),
    });
    if (!settings) return undefined;
    try {
      const opened = this.#opened(platform ?? '', settings);
      if (!opened?.preview) return undefined;
      opened.track?.(input.requests.map(({ vm }) => vm));
      const { requests, beside } = input;
      return await opened.preview(requests, { ...(beside && { beside }) }, AbortSignal.timeout(ANSWER));
    } catch (error: unknown) {
      return unknownPlacement(messageOf(error));
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    for (const platform of this.#open.values()) await platform?.close();
  }

  #opened(name: string, settings: PlatformSettings): Platform | undefined {
    const known = this.#open.get(name);
    if (known) return known;
    const opened = openQuietly(settings);
    this.#open.set(name, opened);
    return opened;
  }
}
