/** Errors of calls to the API server: it refused the call, or did not answer. */

/**
 * Longest `Retry-After` that is honored, milliseconds. A client that waits longer does not notice that the server has recovered, and a proxy
 * may ask for days.
 */
const LONGEST_RETRY_AFTER = 60_000;

/** Thrown by every call to the API server that does not succeed. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  /** `Retry-After` of the answer, milliseconds, at most a minute. */
  readonly retryAfter: number | undefined;
  constructor(
    message: string,
    /** HTTP status; 0 if no answer came. */
    readonly code: number,
    /** Reason of the server's `Status`: `NotFound`, `Conflict`, `Forbidden`, `Expired`, ...; empty if absent. */
    readonly reason: string,
    retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.retryAfter =
      retryAfter === undefined ? undefined : Math.min(Math.max(retryAfter, 0), LONGEST_RETRY_AFTER);
  }

  /** The object does not exist, by the API server's own word. */
  get isNotFound(): boolean {
    return this.code === 404 && this.reason === 'NotFound';
  }

  /**
   * Something is not there: the object, the resource as a whole, or the API server behind an address that something else answers for now, such
   * as an ingress.
   */
  get isAbsent(): boolean {
    return this.code === 404;
  }

  /** The server has no such path, for one because it does not serve this version of the resource. */
  get isUnknownPath(): boolean {
    // It answers without a `Status`; for an object that does not exist it gives the reason.
    return this.code === 404 && this.reason === '';
  }

  /** Another client changed the object, or it exists already. */
  get isConflict(): boolean {
    return this.code === 409;
  }

  /** Another object has the name by now: a write with the uid of the first one would change what cannot be changed. */
  get isOtherObject(): boolean {
    return this.code === 422 && /\bmetadata\.uid\b.*\bimmutable\b/.test(this.message);
  }

  /** The resource version is too old: list again. */
  get isExpired(): boolean {
    return this.code === 410;
  }

  /** The user has no right to do this, or somebody else refuses it: see {@link isRightMissing}. */
  get isForbidden(): boolean {
    return this.code === 403 || this.code === 401;
  }

  /**
   * The user lacks a right, in the words of https://kubernetes.io/docs/reference/access-authn-authz/authorization/. Webhooks, policies, quotas and
   * namespaces that are being deleted refuse with the same code.
   */
  get isRightMissing(): boolean {
    return this.code === 403 && /\bcannot \S+ (resource|path)\b/.test(this.message);
  }
}

/** The fields of the server's `Status` object that are read. */
export interface Status {
  code?: number;
  reason?: string;
  message?: string;
  details?: { retryAfterSeconds?: number };
}

/** The error for an answer that is not 2xx. `what` names the call: `GET virtualmachines prod/db`. */
export function answerError(
  what: string,
  code: number,
  body: string,
  retryAfterHeader?: string,
): KubernetesError {
  const status = statusOf(body);
  const seconds = Number(retryAfterHeader ?? status.details?.retryAfterSeconds ?? NaN);
  const said = status.message ?? (body.trim().slice(0, 200) || 'no message');
  return new KubernetesError(
    `${what}: the API server answered ${code}: ${said}`,
    code,
    status.reason ?? '',
    Number.isFinite(seconds) ? seconds * 1000 : undefined,
  );
}

/** The error for a path in which a name is empty, `.` or `..`. The server is not asked. */
export function noNameError(what: string): KubernetesError {
  return new KubernetesError(`${what}: not a valid name of an object`, 400, 'Invalid');
}

/** Whether an answer is that of something other than an API server, such as the page of a proxy where a person logs in. */
export function isForeign({ 'content-type': type }: Record<string, string>): boolean {
  return type !== undefined && !type.includes('json');
}

/** The error for such an answer: the API server has given none. */
export function foreignError(
  what: string,
  code: number,
  { 'content-type': type = '' }: Record<string, string>,
  body: string,
): KubernetesError {
  const said = `${what}: something other than an API server answered ${code} with ${type}: ${body.trim().slice(0, 200)}`;
  return new KubernetesError(said, 0, '');
}

/** The error for a call that got no answer. */
export function noAnswerError(what: string, cause: unknown): KubernetesError {
  return new KubernetesError(`${what}: ${causeText(cause)}`, 0, '', undefined, { cause });
}

/** The words of what was thrown. */
export function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // The message of fetch is always "fetch failed"; its cause has the reason.
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message;
}

function statusOf(body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}
