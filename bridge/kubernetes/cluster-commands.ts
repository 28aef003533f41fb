/** Operator commands that are objects of the cluster: their watch, and what carries them out. */
import { resourceCache, RESOURCES, type ApiServer, type ResourceCache } from '../../kubernetes';
import { commandRuns, OperatorCommands, trimCommand, type CommandObject } from '../commands';
import { commandEvent, type BridgeEvent } from '../events';
import type { Bridge, BridgeOptions } from '../options';
import type { Stamps } from '../stamps';

/** What {@link ClusterCommands} work with. */
export interface ClusterCommandsOptions extends Pick<BridgeOptions, 'client' | 'logger'> {
  api: ApiServer;
  /** Its writes end with the leadership of this process. */
  writing: ApiServer;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  stamps?: Stamps;
  /** Undefined until the bridge has read everything: before that, nothing can be asked of it. */
  bridge: () => Bridge | undefined;
  isLeader: () => boolean;
  report: (event: BridgeEvent) => void;
  onListenerError: (error: unknown) => void;
  /** Commands may not be read. */
  onForbidden: (error: unknown) => void;
}

/** Follows commands from the start, and carries them out once this process leads. */
export class ClusterCommands {
  readonly cache: ResourceCache<CommandObject>;
  readonly #commands: OperatorCommands;

  constructor(options: ClusterCommandsOptions) {
    this.cache = followCommands(options);
    this.#commands = carriedOut(this.cache, options);
  }

  /** This process has become the leader. */
  lead(): void {
    this.#commands.lead();
  }

  async stop(): Promise<void> {
    await this.#commands.stop();
    await this.cache.stop();
  }
}

/** A cluster need not have them, and an editor of a namespace need not have the right to read them. */
function followCommands({
  api,
  namespaces,
  logger,
  onListenerError,
  onForbidden,
}: ClusterCommandsOptions): ResourceCache<CommandObject> {
  return resourceCache({
    api,
    resource: RESOURCES.operatorCommands,
    trim: trimCommand,
    optional: true,
    ...(namespaces && { namespaces }),
    onBroken: (error, retryIn) =>
      logger.warn(
        { err: error, resource: 'operatorcommands', retryIn },
        'lost the watch on a resource, retrying',
      ),
    onListenerError,
    onForbidden,
  });
}

function carriedOut(
  commands: ResourceCache<CommandObject>,
  { writing, client, stamps, logger, bridge, isLeader, report }: ClusterCommandsOptions,
): OperatorCommands {
  return new OperatorCommands({
    api: writing,
    commands,
    runs: commandRuns(client),
    ...(stamps && { stamps }),
    isLeader: () => bridge() !== undefined && isLeader(),
    ask: async (request) => bridge()?.ask(request),
    onDone: (given, status) => report({ time: Date.now(), ...commandEvent(given, status) }),
    onError: (error, retryIn, group) =>
      logger.warn(
        { err: error, retryIn, namespace: group.namespace, group: group.name },
        'failed to carry out an operator command, retrying',
      ),
  });
}
