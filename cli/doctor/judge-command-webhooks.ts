/** Whether the webhooks of operator commands are registered so that no command bypasses them. Pure. */
import type { KubernetesObject } from '../../kubernetes';
import { webhooksOf, type Webhook } from './admission';
import type { Judgement } from './check-result';

/** A webhook configuration, with its kind, which lists leave out. */
export interface Configuration {
  kind: 'MutatingWebhookConfiguration' | 'ValidatingWebhookConfiguration';
  object: KubernetesObject;
}

/** What each of the two is for. */
const LOST = {
  MutatingWebhookConfiguration:
    'commands carry no stamp: a bridge with --webhook-port refuses them, another one believes the actor that they claim',
  ValidatingWebhookConfiguration:
    'no webhook checks who may give which: any user who may create OperatorCommands may give every command',
} as const;

const INSTALL =
  'add deploy/webhook-cert-manager or deploy/webhook, as docs/how-to/install-on-kubernetes.md shows, and apply it again';

/** What is wrong with the registration; nothing if every command is stamped and checked. */
export function judgeCommandWebhooks(configurations: readonly Configuration[]): Judgement[] {
  const kinds = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'] as const;
  const registered = configurations.flatMap(({ kind, object }) =>
    webhooksOf(object).flatMap((webhook, index) =>
      takesCommands(webhook) ? [{ kind, name: object.metadata.name, webhook, index }] : [],
    ),
  );
  const missing = kinds.filter((kind) => registered.every((each) => each.kind !== kind));
  return [
    ...(missing.length > 0 ? [notRegistered(missing, configurations.length > 0)] : []),
    ...registered.flatMap((each) => [...judgePolicy(each), ...judgeTrust(each)]),
  ];
}

/** A webhook of operator commands, and where it stands. */
interface Registered {
  kind: Configuration['kind'];
  name: string;
  webhook: Webhook;
  index: number;
}

/** `some`: webhooks of ours are registered, so the two of commands are left out by mistake. */
function notRegistered(missing: readonly Configuration['kind'][], some: boolean): Judgement {
  return {
    result: some ? 'problem' : 'note',
    message: `operatorcommands.vmgroup.dev is served and no ${missing.join(' and no ')} has a webhook for it: ${missing
      .map((kind) => LOST[kind])
      .join('; ')}`,
    cure: INSTALL,
    facts: { missing },
  };
}

function takesCommands({ rules = [] }: Webhook): boolean {
  const has = (names: readonly string[] | undefined, name: string): boolean =>
    names?.some((each) => each === '*' || each === name) === true;
  return rules.some(
    ({ apiGroups, resources, operations }) =>
      has(apiGroups, 'vmgroup.dev') && has(resources, 'operatorcommands') && has(operations, 'CREATE'),
  );
}

/** Without a policy the API server takes `Fail`. */
function judgePolicy({ kind, name, webhook, index }: Registered): Judgement[] {
  if ((webhook.failurePolicy ?? 'Fail') === 'Fail') return [];
  const patch = JSON.stringify([{ op: 'replace', path: `/webhooks/${index}/failurePolicy`, value: 'Fail' }]);
  return [
    {
      result: 'problem',
      message: `${textOf({ kind, name, webhook })} has failurePolicy ${webhook.failurePolicy}: while no bridge answers it is passed over, and ${LOST[kind]}`,
      cure: `kubectl patch ${kind.toLowerCase()} ${name} --type=json -p '${patch}'`,
    },
  ];
}

function judgeTrust({ kind, name, webhook }: Registered): Judgement[] {
  if (!webhook.clientConfig?.service || webhook.clientConfig.caBundle) return [];
  return [
    {
      result: 'problem',
      message: `${textOf({ kind, name, webhook })} has no caBundle, so the API server does not trust the bridge, and no command can be given`,
      cure: 'check whether cert-manager and its cainjector run, or write the authority that signed the certificate there',
    },
  ];
}

function textOf({ kind, name, webhook }: Pick<Registered, 'kind' | 'name' | 'webhook'>): string {
  return `webhook ${webhook.name} of ${kind} ${name}`;
}
