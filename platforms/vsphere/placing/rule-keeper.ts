/** Keeps our rules of DRS consistent with the groups that they are for. */
import { limited } from '../../../limits';
import { PlatformError } from '../../platform';
import { readProperties } from '../stream';
import {
  childrenOf,
  element,
  managedObject,
  reference,
  textOf,
  VimFault,
  type Element,
  type ManagedObject,
  type SoapClient,
  type XmlElement,
} from '../soap';
import type { Stream } from '../stream';
import { isOurs, prefixOf, type DrsRule } from './rules';

/** Rules for one group in one cluster. */
const MAX_RULES = 200;
/** Tries to change rules while another process changes them. */
const MAX_TRIES = 3;
/** Milliseconds in which a cluster is reconfigured. */
const RECONFIGURE = 60_000;
/** Milliseconds in which VMs that leave their rules are gathered. */
const GATHERED = 500;

/** A rule of ours as a cluster has it. */
interface KeptRule extends DrsRule {
  key: string;
  enabled: boolean;
}

/** One change of the rules of a cluster. */
type Change =
  | { operation: 'add'; rule: DrsRule }
  | { operation: 'edit'; rule: DrsRule; key: string }
  | { operation: 'remove'; key: string };

/** Changes rules, one call a cluster at a time. */
export class RuleKeeper {
  readonly #client: SoapClient;
  readonly #stream: () => Stream;
  readonly #leaving = new Map<string, Set<string>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: SoapClient, stream: () => Stream) {
    this.#client = client;
    this.#stream = stream;
  }

  /**
   * Makes the rules of a caller in a cluster these.
   *
   * @throws VimFault, TransportError, and PlatformError where there are too many.
   */
  set(
    cluster: string,
    caller: string,
    wanted: readonly DrsRule[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (wanted.length > MAX_RULES)
      throw new PlatformError(
        'Permanent',
        `the affinity of ${caller} asks for ${wanted.length} rules of DRS: ${MAX_RULES} at most`,
      );
    const prefix = prefixOf(caller);
    return this.#change(cluster, signal, (rules) =>
      changesTo(
        rules.filter(({ name }) => name.startsWith(prefix)),
        wanted,
      ),
    );
  }

  /** Takes a VM out of our rules soon: it is powered off, and so no longer next to others. Never rejects. */
  leave(cluster: string, vm: string): void {
    const leaving = this.#leaving.get(cluster) ?? new Set();
    this.#leaving.set(cluster, leaving.add(vm));
    if (leaving.size > 1) return;
    setTimeout(() => {
      this.#leaving.delete(cluster);
      // What is left is put in order by the next call for places of the group.
      void this.#change(cluster, undefined, (rules) => changesWithout(rules, leaving)).catch(() => undefined);
    }, GATHERED).unref();
  }

  #change(
    cluster: string,
    signal: AbortSignal | undefined,
    decide: (rules: readonly KeptRule[]) => Change[],
  ): Promise<void> {
    const mine = this.#last.then(() => this.#changeNow({ type: CLUSTER, id: cluster }, signal, decide));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #changeNow(
    cluster: ManagedObject,
    signal: AbortSignal | undefined,
    decide: (rules: readonly KeptRule[]) => Change[],
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const read = await readProperties(this.#client, [cluster], ['configurationEx'], signal);
      const changes = decide(oursIn(read.get(cluster.id)?.get('configurationEx')));
      if (changes.length === 0) return;
      try {
        return await this.#reconfigure(cluster, changes, signal);
      } catch (error: unknown) {
        // Another process has made or removed one of them.
        const raced = error instanceof VimFault && error.fault.type === 'InvalidArgument';
        if (!raced || attempt === MAX_TRIES) throw error;
      }
    }
  }

  async #reconfigure(
    cluster: ManagedObject,
    changes: readonly Change[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const spec = element('spec', changes.map(specOf), 'ClusterConfigSpecEx');
    const parameters = [spec, element('modify', true)];
    const method = 'ReconfigureComputeResource_Task';
    const [started] = await this.#client.call(cluster, method, parameters, { signal });
    const task = managedObject(started);
    if (!task) return;
    await this.#stream().succeeded(task, limited(RECONFIGURE, signal));
  }
}

const CLUSTER = 'ClusterComputeResource';

/** What makes rules these. */
function changesTo(kept: readonly KeptRule[], wanted: readonly DrsRule[]): Change[] {
  const byName = new Map(kept.map((rule) => [rule.name, rule]));
  const names = new Set(wanted.map(({ name }) => name));
  return [
    ...kept.filter(({ name }) => !names.has(name)).map(({ key }): Change => ({ operation: 'remove', key })),
    ...wanted.flatMap((rule): Change[] => {
      const known = byName.get(rule.name);
      if (!known) return [{ operation: 'add', rule }];
      const same = known.enabled && known.kind === rule.kind && known.vms.join() === rule.vms.join();
      return same ? [] : [{ operation: 'edit', rule, key: known.key }];
    }),
  ];
}

/** What takes VMs out of rules. A rule needs two. */
function changesWithout(rules: readonly KeptRule[], leaving: ReadonlySet<string>): Change[] {
  return rules.flatMap((rule): Change[] => {
    const vms = rule.vms.filter((vm) => !leaving.has(vm));
    if (vms.length === rule.vms.length) return [];
    if (vms.length < 2) return [{ operation: 'remove', key: rule.key }];
    return [{ operation: 'edit', rule: { ...rule, vms }, key: rule.key }];
  });
}

function specOf(change: Change): Element {
  if (change.operation === 'remove')
    return element('rulesSpec', [
      element('operation', 'remove'),
      element('removeKey', change.key, 'xsd:int'),
    ]);
  const { name, kind, vms } = change.rule;
  const info = element(
    'info',
    [
      ...(change.operation === 'edit' ? [element('key', change.key)] : []),
      element('enabled', true),
      element('name', name),
      element('userCreated', true),
      ...vms.map((id) => reference('vm', { type: 'VirtualMachine', id })),
    ],
    kind === 'Apart' ? 'ClusterAntiAffinityRuleSpec' : 'ClusterAffinityRuleSpec',
  );
  return element('rulesSpec', [element('operation', change.operation), info]);
}

/** The rules of ours in a cluster's `configurationEx`. */
export function oursIn(configuration: XmlElement | undefined): KeptRule[] {
  return childrenOf(configuration, 'rule').flatMap((rule): KeptRule[] => {
    const name = textOf(rule, 'name') ?? '';
    const key = textOf(rule, 'key');
    const kinds = new Map([
      ['ClusterAntiAffinityRuleSpec', 'Apart'],
      ['ClusterAffinityRuleSpec', 'Together'],
    ] as const);
    const kind = kinds.get(rule.type as 'ClusterAffinityRuleSpec');
    if (!kind || key === undefined || !isOurs(name)) return [];
    const enabled = textOf(rule, 'enabled') === 'true';
    return [
      {
        name,
        key,
        kind,
        enabled,
        vms: childrenOf(rule, 'vm')
          .map(({ text }) => text)
          .sort(),
      },
    ];
  });
}
