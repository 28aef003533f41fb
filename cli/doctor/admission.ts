/** Checks of our admission webhooks. */
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import type { CheckResult, Judgement } from './check-result';
import { isKubernetesError } from './kubernetes-error';

/** The fields of a webhook that are read. */
export interface Webhook {
  name?: string;
  failurePolicy?: string;
  clientConfig?: { caBundle?: string; service?: object };
  rules?: { apiGroups?: string[]; resources?: string[]; operations?: string[] }[];
}

/** Name of our webhook configurations. */
export const WEBHOOKS = 'vmgroup';
/** Name of the objects that are created as a dry run. */
export const TRIAL_NAME = 'vmgroup-doctor-asks';

const HOW_TO_INSTALL = 'docs/how-to/install-on-kubernetes.md shows how to install them';

/** The webhooks of a configuration. */
export function webhooksOf(configuration: KubernetesObject): Webhook[] {
  return (configuration as unknown as { webhooks?: Webhook[] }).webhooks ?? [];
}

/** Checks whether the webhooks are installed, and answer. */
export async function checkAdmission(api: ApiServer, options: ClusterOptions): Promise<CheckResult> {
  const namespace = watchedNamespaces(options)?.[0] ?? 'default';
  return { check: 'admission', ...(await judge(api, namespace)) };
}

async function judge(api: ApiServer, namespace: string): Promise<Judgement> {
  const { validatingWebhookConfigurations, mutatingWebhookConfigurations } = lazy.kubernetes().RESOURCES;
  try {
    const key = { name: WEBHOOKS };
    const validating = await api.get(validatingWebhookConfigurations, key);
    const mutating = await api.get(mutatingWebhookConfigurations, key);
    if (!validating || !mutating) return notInstalled(validating, mutating);
    const webhooks = [...webhooksOf(validating), ...webhooksOf(mutating)];
    if (webhooks.some(({ clientConfig }) => !clientConfig?.caBundle)) return NO_CA_BUNDLE;
    return await tryWebhooks(api, namespace);
  } catch (error: unknown) {
    if (!isKubernetesError(error) || !error.isForbidden) throw error;
    return NOT_READABLE;
  }
}

const NO_CA_BUNDLE: Judgement = {
  result: 'problem',
  message: 'a webhook has no caBundle, so the API server does not trust it',
  cure: 'check whether cert-manager and its cainjector run, or write the authority that signed the certificate there',
};

const NOT_READABLE: Judgement = {
  result: 'note',
  message:
    'unknown: run doctor as a user who may get validatingwebhookconfigurations and mutatingwebhookconfigurations',
};

function notInstalled(validating: unknown, mutating: unknown): Judgement {
  const missing = [...(validating ? [] : ['validating']), ...(mutating ? [] : ['mutating'])];
  return {
    result: 'note',
    message:
      `no ${missing.join(' and ')} webhook configuration ${WEBHOOKS}: invalid objects are not refused; their condition Ready says why, ` +
      'and nothing is done with that group',
    cure: HOW_TO_INSTALL,
  };
}

/**
 * Creates a group as a dry run, so nothing is stored. The mutating webhook, served by the same server, stamps it. That the word `now` was replaced
 * would prove less: VM Operator's webhook does so too.
 */
async function tryWebhooks(api: ApiServer, namespace: string): Promise<Judgement> {
  const group = {
    metadata: { namespace, name: TRIAL_NAME },
    spec: { nextForcePowerStateSyncTime: 'now' },
  };
  try {
    const { metadata } = await api.create(lazy.kubernetes().RESOURCES.virtualMachineGroups, group, {
      dryRun: true,
    });
    if (Object.keys(metadata.annotations ?? {}).includes(lazy.bridge().STAMPED_USER))
      return { result: 'ok', message: 'the webhooks are installed and answer' };
    return {
      result: 'problem',
      message: 'the webhooks are installed, but were not called or did not answer',
      cure: 'check whether pods are ready behind the Service vmgroup-webhook: kubectl get endpointslices -n vmgroup-system',
    };
  } catch (error: unknown) {
    if (!isKubernetesError(error)) throw error;
    return judgeRefusal(messageOf(error), error.isForbidden);
  }
}

/** What the refusal of a group says of the webhooks. */
function judgeRefusal(message: string, forbidden: boolean): Judgement {
  if (message.includes('calling webhook'))
    return {
      result: 'problem',
      message: `the webhooks do not answer: ${message}`,
      cure: 'check whether pods are ready behind the Service vmgroup-webhook, and whether the certificate names that Service',
    };
  return {
    result: 'note',
    message:
      forbidden && !message.includes('denied')
        ? 'the webhooks are installed; run doctor as a user who may create groups to check whether they answer'
        : `the webhooks are installed; whether they answer is unknown: ${message}`,
  };
}
