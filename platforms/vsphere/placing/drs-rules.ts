/** The rules of DRS that represent affinity rules. */
import type { Neighbour, PlacementRequest } from '../../../contract';
import type { PlaceOptions } from '../../platform';
import type { Inventory } from '../inventory';
import type { SoapClient } from '../soap';
import type { Stream } from '../stream';
import type { Homes } from './homes';
import { oursIn, RuleKeeper } from './rule-keeper';
import { prefixOf, rulesFor, type RuleVm, type WantedRules } from './rules';

/** What rules of DRS work with. */
export interface DrsRulesOptions {
  client: SoapClient;
  stream: () => Stream;
  inventory: Inventory;
  homes: Homes;
  /** The id of the VM that a manifest means; undefined: there is none. */
  idOf: (vm: PlacementRequest['vm']) => string | undefined;
}

/** Makes rules in all clusters, and removes them. */
export class DrsRules {
  readonly #options: DrsRulesOptions;
  readonly #keeper: RuleKeeper;

  constructor(options: DrsRulesOptions) {
    this.#options = options;
    this.#keeper = new RuleKeeper(options.client, options.stream);
  }

  /** DRS-3. Makes the rules for a caller what affinity asks for now. @throws VimFault, TransportError */
  async keep(
    requests: readonly PlacementRequest[],
    { caller, beside = [] }: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<WantedRules> {
    const vms = [...requests, ...beside].flatMap((each) => this.#ruleVm(each));
    const wanted = rulesFor(caller, vms);
    for (const cluster of this.#clusters()) {
      const rules = wanted.rules.get(cluster) ?? [];
      if (rules.length > 0 || this.#hasRulesFor(caller, cluster))
        await this.#keeper.set(cluster, caller, rules, signal);
    }
    return wanted;
  }

  /** Removes the rules for a caller. @throws VimFault, TransportError */
  async forget(caller: string, signal: AbortSignal | undefined): Promise<void> {
    for (const cluster of this.#clusters())
      if (this.#hasRulesFor(caller, cluster)) await this.#keeper.set(cluster, caller, [], signal);
  }

  /** A VM is off, or is about to be: rules that are ours are no longer about it. */
  poweredOff(vm: string): void {
    const { inventory, homes } = this.#options;
    if (homes.placerOf(vm) !== 'Drs') return;
    const cluster = inventory.cluster(vm);
    const has = cluster !== undefined && this.#ours(cluster).some(({ vms }) => vms.includes(vm));
    if (has) this.#keeper.leave(cluster, vm);
  }

  #clusters(): string[] {
    return [...this.#options.inventory.objects('ClusterComputeResource')].map(({ object }) => object.id);
  }

  #hasRulesFor(caller: string, cluster: string): boolean {
    const prefix = prefixOf(caller);
    return this.#ours(cluster).some(({ name }) => name.startsWith(prefix));
  }

  /** Our rules in a cluster, as the stream last said. */
  #ours(cluster: string): ReturnType<typeof oursIn> {
    return oursIn(this.#options.inventory.property(cluster, 'configurationEx'));
  }

  #ruleVm({ vm, labels = {}, affinity = [] }: PlacementRequest | Neighbour): RuleVm[] {
    const { idOf, inventory, homes } = this.#options;
    const id = idOf(vm);
    const cluster = id === undefined ? undefined : inventory.cluster(id);
    if (id === undefined || cluster === undefined || homes.placerOf(id) !== 'Drs') return [];
    return [{ id, cluster, namespace: vm.namespace, labels, affinity }];
  }
}
