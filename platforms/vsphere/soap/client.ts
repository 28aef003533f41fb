/**
 * Calls of a vSphere server's SOAP API, in one session.
 *
 * SOAP-3: one session for all calls. When the server has ended it, one login makes a new one, and the call is made again once.
 * SOAP-4: password and session cookie appear in no message.
 * SOAP-5: a user and password that the server has refused are not sent again for a while, unless they have changed: servers lock accounts that
 *     fail often.
 */
import { createHash } from 'node:crypto';
import { soapFault, VimFault } from './faults';
import { Transport, TransportError, type HttpAnswer, type Trust } from './transport';
import {
  child,
  childrenOf,
  element,
  parseXml,
  reference,
  writeXml,
  XmlError,
  type Element,
  type ManagedObject,
  type XmlElement,
} from './xml';

/** Who logs in. Called again at each login, so that a changed password is used. */
export type Credentials = () => Promise<{ user: string; password: string }>;

/** Options of a {@link SoapClient}. */
export interface SoapOptions {
  /** Such as `https://vcenter.example.com/sdk`. */
  address: string;
  credentials: Credentials;
  trust?: Trust;
  /** Milliseconds for one call; default a minute. */
  timeout?: number;
}

/** Options of one call. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds. */
  timeout?: number | undefined;
  /**
   * The session that the call needs, from {@link SoapClient.session}: views and collectors live in one, so the call is not repeated in another.
   */
  session?: number;
}

/** Objects and kind of the server. */
export interface ServiceContent {
  /** `VirtualCenter`, or `HostAgent` for one ESXi host. */
  apiType: string;
  /** Such as `VMware vCenter Server 8.0.2 build-22385739`. */
  fullName: string;
  /** Managers by property, such as `viewManager`. */
  managers: ReadonlyMap<string, ManagedObject>;
}

const LIMITS = { length: 32 * 1024 * 1024, tags: 2_000_000, depth: 64 };
const TIMEOUT = 60_000;
const COOKIE = 'vmware_soap_session';
/** Milliseconds in which refused credentials are not sent again: vCenter locks an account that fails five times in three minutes. */
const REFUSED = 300_000;
/** The oldest version that vCenter 7, 8 and 9 and their hosts all know. */
const ACTION = '"urn:vim25/7.0"';
const SERVICE_INSTANCE: ManagedObject = { type: 'ServiceInstance', id: 'ServiceInstance' };

/** Calls of one server. The first that needs a session logs in. */
export class SoapClient {
  readonly #transport: Transport;
  readonly #credentials: Credentials;
  readonly #timeout: number;
  #content: Promise<ServiceContent> | undefined;
  #login: Promise<number> | undefined;
  #cookie: string | undefined;
  /** Counts logins. */
  #session = 0;
  /** SOAP-5: which credentials were refused last, and when by the clock of this process. */
  #refused: { digest: string; at: number; error: VimFault } | undefined;

  constructor({ address, credentials, trust, timeout = TIMEOUT }: SoapOptions) {
    this.#transport = new Transport(address, trust);
    this.#credentials = credentials;
    this.#timeout = timeout;
  }

  /** Host and port, for messages. */
  get host(): string {
    return this.#transport.host;
  }

  /** What the server consists of; needs no session. Asked once. */
  content({ signal, timeout }: CallOptions = {}): Promise<ServiceContent> {
    this.#content ??= this.#exchange(SERVICE_INSTANCE, 'RetrieveServiceContent', [], { timeout })
      .then(([returned]) => contentOf(returned))
      .catch((error: unknown) => {
        this.#content = undefined;
        throw error;
      });
    return orAborted(this.#content, signal);
  }

  /** Logs in if there is no session; resolves with its number. */
  async session({ signal }: CallOptions = {}): Promise<number> {
    if (this.#cookie !== undefined) return this.#session;
    // One that is on its way may have begun with a password that was changed since.
    const begun = this.#login && (await orAborted(this.#login, signal).catch(() => undefined));
    if (begun !== undefined) return begun;
    this.#login ??= this.#logIn().finally(() => (this.#login = undefined));
    return orAborted(this.#login, signal);
  }

  /**
   * Calls a method and resolves with what it returned: `returnval`, any number of times.
   *
   * @throws VimFault where the server refuses; TransportError where there is no whole answer.
   */
  async call(
    target: ManagedObject,
    method: string,
    parameters: readonly Element[] = [],
    options: CallOptions = {},
  ): Promise<XmlElement[]> {
    const session = await this.session(options);
    if (options.session !== undefined && options.session !== session) throw sessionGone(method);
    try {
      return await this.#exchange(target, method, parameters, options);
    } catch (error: unknown) {
      if (!isNotAuthenticated(error)) throw error;
      this.#forget(session);
      if (options.session !== undefined) throw error;
      await this.session(options);
      return this.#exchange(target, method, parameters, options);
    }
  }

  /** The manager of that property. @throws VimFault `NotSupported` where the server has none, as ESXi has no custom fields. */
  async manager(property: string, options: CallOptions = {}): Promise<ManagedObject> {
    const { managers } = await this.content(options);
    const found = managers.get(property);
    if (found) return found;
    const message = `${this.host} has no ${property}`;
    throw new VimFault({ type: 'NotSupported', message, keys: [], detail: undefined }, property);
  }

  /** Reports that the server has ended the session, where something other than a fault shows it. */
  sessionEnded(session: number): void {
    this.#forget(session);
  }

  /** Logs out, since servers have few sessions, and frees connections. Never rejects. */
  async close(): Promise<void> {
    if (this.#cookie !== undefined) {
      const logout = this.manager('sessionManager').then((manager) =>
        this.#exchange(manager, 'Logout', [], { signal: AbortSignal.timeout(5_000) }),
      );
      await logout.catch(() => undefined);
    }
    this.#cookie = undefined;
    this.#transport.close();
  }

  #forget(session: number): void {
    if (session === this.#session) this.#cookie = undefined;
  }

  async #logIn(): Promise<number> {
    const { user, password } = await this.#credentials();
    const digest = createHash('sha256')
      .update(JSON.stringify([user, password]))
      .digest('base64');
    const refused = this.#refused;
    if (refused?.digest === digest && performance.now() - refused.at < REFUSED) throw refused.error;
    const manager = await this.manager('sessionManager');
    try {
      await this.#exchange(manager, 'Login', [element('userName', user), element('password', password)], {});
    } catch (error: unknown) {
      if (error instanceof VimFault && error.fault.type === 'InvalidLogin')
        this.#refused = { digest, error, at: performance.now() };
      throw error;
    }
    if (this.#cookie === undefined)
      throw new TransportError('Malformed', `${this.host} gave no session at login`);
    this.#refused = undefined;
    this.#session += 1;
    return this.#session;
  }

  async #exchange(
    target: ManagedObject,
    method: string,
    parameters: readonly Element[],
    { signal, timeout = this.#timeout }: CallOptions,
  ): Promise<XmlElement[]> {
    const answer = await this.#transport.send({
      headers: {
        'content-type': 'text/xml; charset=utf-8',
        soapaction: ACTION,
        ...(this.#cookie !== undefined && { cookie: `${COOKIE}=${this.#cookie}` }),
      },
      body: envelope(target, method, parameters),
      timeout,
      signal,
    });
    if (method === 'Login') this.#cookie = cookieOf(answer.cookies) ?? this.#cookie;
    return this.#read(answer, method);
  }

  #read({ status, body, retryAfter }: HttpAnswer, method: string): XmlElement[] {
    let root: XmlElement | undefined;
    try {
      // 500 is the status of faults.
      root = status === 200 || status === 500 ? parseXml(body, LIMITS) : undefined;
    } catch (error: unknown) {
      if (!(error instanceof XmlError)) throw error;
      throw new TransportError(
        'Malformed',
        `the answer of ${this.host} to ${method} is not XML: ${error.message}`,
        {
          cause: error,
        },
      );
    }
    const content = child(root, 'Body');
    const fault = child(content, 'Fault');
    if (fault) throw new VimFault(soapFault(fault), method);
    const response = child(content, `${method}Response`);
    if (status === 200 && response) return childrenOf(response, 'returnval');
    throw new HttpStatusError(this.host, method, status, retryAfter);
  }
}

/** Thrown for an answer that is neither a result nor a fault: a proxy's, or that of a server that is starting. */
export class HttpStatusError extends TransportError {
  constructor(
    host: string,
    method: string,
    readonly status: number,
    /** Seconds that the server wants to be left alone. */
    readonly retryAfter: number | undefined,
  ) {
    super(
      status === 200 ? 'Malformed' : 'Unreachable',
      `${host} answered ${method} with HTTP status ${status}`,
    );
  }
}

/** What `shared` becomes, or a {@link TransportError} once `signal` aborts; `shared` itself continues for other callers. */
export function orAborted<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return shared;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(new TransportError('Aborted', 'the call was aborted', { cause: signal.reason }));
    };
    const settled = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    shared.then(resolve, reject).finally(settled);
    if (signal.aborted) abort();
  });
}

/** Whether an error means that the server has ended the session. */
export function isNotAuthenticated(error: unknown): boolean {
  return error instanceof VimFault && error.fault.type === 'NotAuthenticated';
}

function sessionGone(method: string): VimFault {
  const message = 'the session has ended';
  return new VimFault({ type: 'NotAuthenticated', message, keys: [], detail: undefined }, method);
}

const ENVELOPE =
  'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

function envelope(target: ManagedObject, method: string, parameters: readonly Element[]): string {
  const inner = [reference('_this', target), ...parameters].map(writeXml).join('');
  return (
    `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope ${ENVELOPE}><soapenv:Body>` +
    `<${method} xmlns="urn:vim25">${inner}</${method}></soapenv:Body></soapenv:Envelope>`
  );
}

function cookieOf(cookies: readonly string[]): string | undefined {
  for (const cookie of cookies) {
    const value = /^vmware_soap_session=("?[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,512}"?)(?:;|$)/.exec(
      cookie,
    )?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

function contentOf(returned: XmlElement | undefined): ServiceContent {
  const about = child(returned, 'about');
  const managers = new Map<string, ManagedObject>();
  for (const each of returned?.children ?? []) {
    const type = each.attributes.get('type');
    if (type !== undefined) managers.set(each.name, { type, id: each.text });
  }
  return {
    apiType: child(about, 'apiType')?.text ?? '',
    fullName: child(about, 'fullName')?.text ?? '',
    managers,
  };
}
