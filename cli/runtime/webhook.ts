/** The admission webhook of the bridge. */
import type { Logger } from 'pino';
import type { AdmissionServer, AdmissionServerOptions } from '../../bridge';
import type { Health } from '../../worker';
import { CliError } from '../errors';
import * as lazy from '../lazy';

/** Where the admission webhook listens, and its certificate. */
export interface WebhookOptions {
  /** Absent: there is no webhook. */
  webhookPort?: number;
  webhookHost?: string;
  /** Path of the certificate, PEM. */
  webhookCert?: string;
  /** Path of its key, PEM. */
  webhookKey?: string;
}

/** What the webhook judges by. */
export type WebhookKnowledge = Pick<AdmissionServerOptions, 'known' | 'mayCommand' | 'stamps'>;

/**
 * Starts the admission webhook, if the options ask for one.
 *
 * @throws CliError if its certificate is not named.
 */
export async function startWebhook(
  options: WebhookOptions,
  knowledge: WebhookKnowledge,
  logger: Logger,
  registry: Health['registry'],
): Promise<AdmissionServer | undefined> {
  const { webhookPort: port, webhookHost: host, webhookCert, webhookKey } = options;
  if (port === undefined) return undefined;
  if (webhookCert === undefined || webhookKey === undefined) {
    throw new CliError('the admission webhook needs a certificate: API servers call it over HTTPS only', [
      'name its files: --webhook-cert FILE --webhook-key FILE',
    ]);
  }
  const server = await lazy.bridge().startAdmissionServer({
    port,
    ...(host !== undefined && { host }),
    certificateFile: webhookCert,
    keyFile: webhookKey,
    ...knowledge,
    onReview: lazy.worker().countReviews(registry),
    onError: (error, doing) => logger.warn({ err: error, doing }, 'the admission webhook failed'),
  });
  logger.info({ address: server.address }, 'the admission webhook listens');
  return server;
}
