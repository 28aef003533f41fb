/**
 * The admission webhook: answers an API server over HTTPS with `reviewAdmission` at `/validate` and `patchAdmission` at `/mutate`.
 *
 * WEBHOOK-1: no request ends the process, or takes more time or memory than its limits allow.
 * WEBHOOK-2: a renewed certificate is loaded from its files without breaking a connection; if certificate and key do not match, the old pair
 *     stays.
 *
 * While the webhook is down, the `failurePolicy` of its registration decides. `Ignore`: the API server accepts objects that break the rules;
 * the bridge reports them in a condition and does not act on them. `Fail`: no client, not even VM Operator, can change groups or VMs. And
 * `nextForcePowerStateSyncTime: now` stays as written, which requests one sync as well. For `OperatorCommand` objects it is always `Fail`: only
 * the webhook knows who gives a command, and whether that user may.
 */
import { readFileSync } from 'node:fs';
import {
  type AdmissionRequest,
  type AdmissionVerdict,
  fieldsOf,
  type JsonPatchOperation,
  type Manifests,
  patchAdmission,
  reviewAdmission,
} from '../api';
import type { AdmissionUser, CommandAccess, CommandAttributes } from './commands';
import { refusalOfCommand } from './commands';
import { HTTP_LIMITS, HttpError, startHttpServer, type Exchange, type HttpServer } from '../http';
import { stampPatch, type Stamps } from './stamps';

/**
 * Milliseconds between two checks of the certificate. A mounted Secret changes by replaced links, which a watch of the files does not report.
 */
const CERTIFICATE_INTERVAL = 1_000;

/** Milliseconds that requests under way have when the server closes. */
const CLOSING_TIME = 1_000;

/** The outcome of one request. `Refused`: it is not a request of an API server. `Failed`: an error of the webhook. */
export type AdmissionOutcome = 'Allowed' | 'Denied' | 'Refused' | 'Failed';

/** What {@link startAdmissionServer} needs. */
export interface AdmissionServerOptions {
  /** Port; 0 takes a free one. */
  port: number;
  /** Address to listen on; default loopback. */
  host?: string;
  /** PEM files of the certificate (with the chain, if necessary) and of its key, as cert-manager mounts them. */
  certificateFile: string;
  keyFile: string;
  /** The valid objects of a namespace as known now. Throws while nothing is known yet: then the answer is an error. */
  known: (namespace: string) => Manifests;
  /** Stamps objects with the users who write them. Learns the private key. */
  stamps?: Stamps;
  /** Whether a user may give a command; absent: everyone who may create the object. */
  mayCommand?: (user: AdmissionUser, command: CommandAttributes) => Promise<CommandAccess>;
  /** Called for every request, with the duration of the answer in milliseconds. */
  onReview?: (review: {
    /** `/validate`, `/mutate`, or empty. */
    path: string;
    /** Empty for a kind that is not reviewed. */
    kind: string;
    outcome: AdmissionOutcome;
    milliseconds: number;
  }) => void;
  /** Called with errors of the webhook, and with certificates that cannot be used. */
  onError?: (error: unknown, doing: string) => void;
}

/** A running webhook. */
export interface AdmissionServer {
  /** `host:port` it listens on. */
  address: string;
  close(): Promise<void>;
}

/**
 * Starts the webhook.
 *
 * @throws Error that names the files when they hold no certificate with its key; with code `EADDRINUSE` when the port is taken.
 */
export async function startAdmissionServer(options: AdmissionServerOptions): Promise<AdmissionServer> {
  const { onError = () => undefined, certificateFile, keyFile } = options;
  let pair = readPair(options);
  options.stamps?.use(pair.key);
  const server = await startHttps(options, pair);
  const reload = (): void => {
    try {
      const found = readPair(options);
      if (found.cert === pair.cert && found.key === pair.key) return;
      server.setCertificate({ ...found, minVersion: 'TLSv1.2' });
      pair = found;
      options.stamps?.use(pair.key);
    } catch (error: unknown) {
      onError(
        error,
        `reading the certificate ${certificateFile} and its key ${keyFile}; the old ones stay in use`,
      );
    }
  };
  const checking = setInterval(reload, CERTIFICATE_INTERVAL);
  return {
    address: server.address,
    close: () => {
      clearInterval(checking);
      return server.close(CLOSING_TIME);
    },
  };
}

async function startHttps(
  options: AdmissionServerOptions,
  pair: { cert: string; key: string },
): Promise<HttpServer> {
  const { port, host, certificateFile, keyFile, onError } = options;
  try {
    return await startHttpServer({
      port,
      ...(host !== undefined && { host }),
      limits: HTTP_LIMITS.webhook,
      tls: { ...pair, minVersion: 'TLSv1.2' },
      handle: (exchange) => answer(options, exchange),
      onError: (error) => onError?.(error, 'serving an API server'),
    });
  } catch (error: unknown) {
    // Errors of the socket name the call that failed.
    if (error instanceof Error && 'syscall' in error) throw error;
    throw new Error(
      `${certificateFile} and ${keyFile} do not hold a certificate and its key: ${String(error)}; ` +
        'name the PEM files that cert-manager or openssl wrote',
      { cause: error },
    );
  }
}

function readPair({ certificateFile, keyFile }: AdmissionServerOptions): { cert: string; key: string } {
  return { cert: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

/** `response` of an `AdmissionReview` without its uid. */
interface Answer {
  allowed: boolean;
  status?: { code: number; reason: string; message: string };
  warnings?: string[];
  patchType?: 'JSONPatch';
  patch?: string;
}

/** The request of an `AdmissionReview`. */
interface ReviewedRequest extends AdmissionRequest {
  uid: string;
  /** Empty for a kind that is not reviewed. */
  kind: string;
  namespace: string;
  user: AdmissionUser;
}

type Reviewer = (request: ReviewedRequest) => Answer | Promise<Answer>;

async function answer(options: AdmissionServerOptions, exchange: Exchange): Promise<void> {
  const { onReview = () => undefined, onError = () => undefined } = options;
  const { method, response } = exchange;
  const startedAt = performance.now();
  const answerTo = reviewers(options).get(exchange.path);
  const path = answerTo ? exchange.path : '';
  let kind = '';
  const done = (outcome: AdmissionOutcome, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    onReview({ path, kind, outcome, milliseconds: performance.now() - startedAt });
  };
  try {
    if (!answerTo) throw new HttpError(404, 'paths: /validate /mutate');
    if (method !== 'POST') throw new HttpError(405, 'an AdmissionReview must be sent with POST');
    const review = reviewOf(await exchange.body());
    kind = review.kind;
    const given = await answerTo(review);
    const outcome = given.allowed ? 'Allowed' : 'Denied';
    done(outcome, 200, {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: review.uid, ...given },
    });
  } catch (error: unknown) {
    if (error instanceof HttpError) return done('Refused', error.status, { message: error.message });
    onError(error, `answering an API server at ${path}`);
    done('Failed', 500, { message: error instanceof Error ? error.message : String(error) });
  }
}

function reviewers(options: AdmissionServerOptions): Map<string, Reviewer> {
  return new Map<string, Reviewer>([
    ['/validate', (request) => validate(options, request)],
    ['/mutate', (request) => mutate(options, request)],
  ]);
}

async function validate(
  { known, mayCommand }: AdmissionServerOptions,
  request: ReviewedRequest,
): Promise<Answer> {
  if (request.kind !== 'OperatorCommand') return toAnswer(reviewAdmission(request, known(request.namespace)));
  const refusal = await refusalOfCommand(request, mayCommand);
  if (refusal === undefined) return { allowed: true };
  return { allowed: false, status: { code: 403, reason: 'Forbidden', message: refusal } };
}

function mutate({ stamps }: AdmissionServerOptions, request: ReviewedRequest): Answer {
  const now = Date.now();
  const patch = patchAdmission(request, now);
  const stamp = stamps ? stampPatch(stamps, { ...request, user: request.user.username }, patch, now) : [];
  return toPatch([...patch, ...stamp]);
}

function toAnswer({ allowed, problems, warnings }: AdmissionVerdict): Answer {
  return {
    allowed,
    warnings,
    ...(!allowed && { status: { code: 422, reason: 'Invalid', message: problems.join('; ') } }),
  };
}

function toPatch(patch: JsonPatchOperation[]): Answer {
  if (patch.length === 0) return { allowed: true };
  return {
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
  };
}

const REVIEWED = [
  'VirtualMachineGroup',
  'VirtualMachine',
  'VirtualMachineClass',
  'SequencePolicy',
  'OperatorCommand',
];

/** @throws HttpError if the text is not an `AdmissionReview` of version v1 with a request. */
function reviewOf(text: string): ReviewedRequest {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
  const { apiVersion, kind, request } = fieldsOf(review);
  const { uid, namespace, operation, object, oldObject, userInfo, kind: type } = fieldsOf(request);
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview' || typeof uid !== 'string')
    throw new HttpError(400, 'the body is not an AdmissionReview of admission.k8s.io/v1 with a request');
  const { kind: name } = fieldsOf(type);
  return {
    uid,
    operation,
    object,
    oldObject,
    kind: REVIEWED.find((kind) => kind === name) ?? '',
    namespace: typeof namespace === 'string' ? namespace : '',
    user: userOf(fieldsOf(userInfo)),
  };
}

function userOf({ username, uid, groups, extra }: Record<string, unknown>): AdmissionUser {
  return {
    username: typeof username === 'string' ? username : '',
    ...(typeof uid === 'string' && { uid }),
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    ...(extra !== undefined && { extra: fieldsOf(extra) as Record<string, string[]> }),
  };
}
