/** The source of groups in a folder whose VMs are in a cluster: what it reports is that of join.ts. */
import type { KubernetesObject, ResourceCache } from '../../../kubernetes';
import type { Source, SourceState } from '../../source';
import { joined, markOf, type ClusterLookUp } from './join';

/** What {@link joinedSource} needs. */
export interface JoinedSourceOptions {
  folder: Source;
  machines: ResourceCache<KubernetesObject>;
  /** Name of the platform that the cluster is. */
  here: string;
  /** The groups of the cluster. The source stops it. */
  groups: ResourceCache<KubernetesObject>;
}

/** Milliseconds in which changes are gathered. */
const GATHER = 20;
/** Milliseconds without contact after which the source says that it may be behind. */
const PATIENCE = 10_000;

/** Makes the source. `start` resolves once the folder was read and the VMs were listed. */
export function joinedSource(options: JoinedSourceOptions): Source {
  return new JoinedSource(options);
}

class JoinedSource implements Source {
  readonly #options: JoinedSourceOptions;
  readonly #cluster: ClusterLookUp;
  #folder: SourceState | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => void)[] = [];
  #onChange: (state: SourceState) => void = () => undefined;
  #stopped = false;

  constructor(options: JoinedSourceOptions) {
    const { machines, groups, here } = options;
    this.#options = options;
    this.#cluster = {
      here,
      machine: (key) => machines.get(key),
      machines: () => machines.entries(),
      group: (key) => groups.get(key),
    };
  }

  async start(onChange: (state: SourceState) => void): Promise<void> {
    const { folder, machines, groups } = this.#options;
    await Promise.all([machines.synced(), groups.synced()]);
    if (this.#stopped) return;
    this.#onChange = onChange;
    this.#stopListening = [
      machines.onChange(({ object, previous }) => {
        if (markOf(object) !== markOf(previous)) this.#schedule();
      }),
      groups.onChange(() => this.#schedule()),
    ];
    await folder.start((state) => {
      this.#folder = state;
      this.#report();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stopListening) stop();
    await this.#options.folder.stop();
    await this.#options.groups.stop();
  }

  trouble(): string | undefined {
    const { machines, groups, folder } = this.#options;
    for (const { plural, live, lastContactAt = 0 } of [machines, groups]) {
      if (live || Date.now() - lastContactAt < PATIENCE) continue;
      return `lost the watch on the API server at ${new Date(lastContactAt).toISOString()}: ${plural} are not followed`;
    }
    return folder.trouble?.();
  }

  #schedule(): void {
    if (this.#stopped || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#report();
    }, GATHER);
  }

  #report(): void {
    if (!this.#folder || this.#stopped) return;
    this.#onChange({ ...this.#folder, index: joined(this.#folder.index, this.#cluster) });
  }
}
