/** Checks of the webhooks of operator commands: what is registered, and whether it stamps a command that is given as a dry run. */
import type { ApiServer } from '../../kubernetes';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import { TRIAL_NAME, WEBHOOKS } from './admission';
import type { CheckResult, Judgement } from './check-result';
import { judgeCommandWebhooks, type Configuration } from './judge-command-webhooks';
import { isKubernetesError } from './kubernetes-error';

const SERVICE = 'kubectl -n vmgroup-system get service,endpointslices';

/** Checks them, if the cluster has operator commands. Rejects with errors of the API server other than refusals. */
export async function checkCommandWebhooks(api: ApiServer, options: ClusterOptions): Promise<CheckResult[]> {
  const check = 'operator commands';
  if (!(await servesCommands(api))) return [];
  const configurations = await readConfigurations(api);
  if (!configurations)
    return [
      {
        check,
        result: 'note',
        message:
          'unknown whether their webhooks are registered: run doctor as a user who may get validatingwebhookconfigurations and mutatingwebhookconfigurations',
      },
    ];
  const found = judgeCommandWebhooks(configurations);
  const silent = found.some(({ facts }) => facts !== undefined);
  if (!silent) found.push(await tryCommand(api, watchedNamespaces(options)?.[0] ?? 'default'));
  const wrong = found.filter(({ result }) => result === 'problem');
  return (wrong.length > 0 ? wrong : found).map((each) => ({ check, ...each }));
}

async function servesCommands(api: ApiServer): Promise<boolean> {
  try {
    await api.list(lazy.kubernetes().RESOURCES.operatorCommands, { limit: 1 });
    return true;
  } catch (error: unknown) {
    if (!isKubernetesError(error)) throw error;
    return !error.isAbsent;
  }
}

/** Those that are ours by name; undefined: they may not be read. */
async function readConfigurations(api: ApiServer): Promise<Configuration[] | undefined> {
  const { validatingWebhookConfigurations, mutatingWebhookConfigurations } = lazy.kubernetes().RESOURCES;
  try {
    const mutating = await api.get(mutatingWebhookConfigurations, { name: WEBHOOKS });
    const validating = await api.get(validatingWebhookConfigurations, { name: WEBHOOKS });
    return [
      ...(mutating ? [{ kind: 'MutatingWebhookConfiguration' as const, object: mutating }] : []),
      ...(validating ? [{ kind: 'ValidatingWebhookConfiguration' as const, object: validating }] : []),
    ];
  } catch (error: unknown) {
    if (!isKubernetesError(error) || !error.isForbidden) throw error;
    return undefined;
  }
}

/** Gives a command as a dry run: nothing is stored, and the webhooks are called. */
async function tryCommand(api: ApiServer, namespace: string): Promise<Judgement> {
  const command = {
    metadata: { namespace, name: TRIAL_NAME },
    spec: { group: TRIAL_NAME, command: 'pause', reason: 'vmgroup doctor' },
  };
  try {
    const { metadata } = await api.create(lazy.kubernetes().RESOURCES.operatorCommands, command, {
      dryRun: true,
    });
    return Object.keys(metadata.annotations ?? {}).includes(lazy.bridge().STAMPED_USER)
      ? { result: 'ok', message: 'their webhooks are registered, answer, and stamp who gives them' }
      : {
          result: 'problem',
          message:
            'their webhooks are registered, and a command passed without a stamp: they were not called',
          cure: `check whether pods are ready behind the Service of the webhooks: ${SERVICE}`,
        };
  } catch (error: unknown) {
    if (!isKubernetesError(error)) throw error;
    return judgeRefusal(messageOf(error), error.isForbidden);
  }
}

/** What the refusal of a command says of its webhooks. */
function judgeRefusal(message: string, forbidden: boolean): Judgement {
  if (/admission webhook "[^"]*" denied/.test(message))
    return { result: 'ok', message: 'their webhooks are registered and answer' };
  if (!message.includes('calling webhook')) {
    const result = forbidden
      ? 'their webhooks are registered; run doctor as a user who may create operatorcommands to check whether they answer'
      : `their webhooks are registered; whether they answer is unknown: ${message}`;
    return { result: 'note', message: result };
  }
  return {
    result: 'problem',
    message: `no command can be created: a webhook of operatorcommands.vmgroup.dev cannot be called: ${message}`,
    cure: cureOf(message),
  };
}

function cureOf(message: string): string {
  if (/service "?[^ ]*"? not found/.test(message))
    return 'the Service that clientConfig.service names does not exist: apply deploy/webhook again, or name the right one there';
  if (/x509|certificate/.test(message))
    return 'the caBundle is not that of the certificate, or the certificate does not name the Service: write the authority that signed it into clientConfig.caBundle, or check cert-manager and its cainjector';
  if (message.includes('an error on the server'))
    return 'the bridge failed to judge the command: see its log; it needs the ClusterRole vmgroup-webhook of deploy/webhook, to ask who may give which command';
  return `check whether pods are ready behind the Service of the webhooks: ${SERVICE}`;
}
