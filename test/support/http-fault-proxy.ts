/** Stands before a server that speaks HTTP and lets a test decide, call by call, what goes wrong. */
import {
  Agent as HttpAgent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, createServer as createTlsServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';

/** One call as the proxy sees it. */
export interface SeenCall {
  method: string;
  /** With its query. */
  path: string;
  /** What the call is about, as {@link HttpProxyOptions.describe} says. */
  resource: string;
  /** Its answer is a stream that stays open, or comes only after a change. */
  watch: boolean;
  /** Its client broke off before it was answered. */
  abandoned?: true;
}

/** What happens to a call; undefined: it goes through. */
export type Fault =
  /** An answer that is not the server's. */
  | { answer: number; retryAfter?: number; body?: string }
  /** Taken and never answered; of an open watch nothing comes any more. */
  | 'silent'
  /** The connection ends without a word; that of an open watch in the middle of its next line. */
  | 'cut'
  /** It goes through and takes effect, and its answer is lost with the connection. Not for watches. */
  | 'lost'
  /** It goes through after so many milliseconds. */
  | { delay: number }
  /** Each piece of an open watch comes so many milliseconds later. */
  | { lag: number };

/** What {@link startHttpFaultProxy} needs. */
export interface HttpProxyOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT`; its certificate is not checked. */
  target: string;
  /** `body`: empty unless {@link HttpProxyOptions.readBodies}. */
  describe: (message: IncomingMessage, body: string) => Pick<SeenCall, 'resource' | 'watch'>;
  /** Calls are told apart by what they say, so each is read before it is decided about. */
  readBodies?: boolean;
  /** PEM: the proxy speaks TLS with this certificate. */
  tls?: { cert: string; key: string };
}

/** A proxy that is open. */
export interface HttpFaultProxy {
  /** `http://127.0.0.1:PORT`, or https. */
  address: string;
  /** Every call since the last {@link HttpFaultProxy.forget}. */
  calls(): readonly SeenCall[];
  forget(): void;
  /** Decides from now on; asked for every call, and for every piece of an open watch. */
  decide(fault: (call: SeenCall) => Fault | undefined): void;
  /** Lets everything through from now on. */
  heal(): void;
  /** Ends every connection at once. */
  cutAll(): void;
  /** Connections that clients have open. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

/** Opens a proxy on loopback. */
export async function startHttpFaultProxy(options: HttpProxyOptions): Promise<HttpFaultProxy> {
  const { target, describe, readBodies = false, tls } = options;
  const { hostname, port, protocol } = new URL(target);
  const isSecure = protocol === 'https:';
  const agent = isSecure
    ? new HttpsAgent({ keepAlive: true, rejectUnauthorized: false })
    : new HttpAgent({ keepAlive: true });
  let seen: SeenCall[] = [];
  let decide: (call: SeenCall) => Fault | undefined = () => undefined;

  function passOn(call: SeenCall, answer: IncomingMessage, to: ServerResponse): void {
    to.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
    answer.on('data', (chunk: Buffer) => {
      const fault = call.watch ? decide(call) : undefined;
      if (fault === 'silent') return;
      if (fault === 'cut') to.write(chunk.subarray(0, Math.floor(chunk.length / 2)), () => to.destroy());
      else if (isLag(fault)) setTimeout(() => void (isOpen(to) && to.write(chunk)), fault.lag);
      else to.write(chunk);
    });
    // A watch that is silent does not even report its end.
    answer.once('end', () => {
      const fault = decide(call);
      if (isLag(fault)) setTimeout(() => void (isOpen(to) && to.end()), fault.lag);
      else if (fault !== 'silent') to.end();
    });
    answer.once('error', () => to.destroy());
  }

  function forward(
    { call, from, body }: { call: SeenCall; from: IncomingMessage; body: string | undefined },
    to: ServerResponse,
    lost = false,
  ): void {
    const { method, headers } = from;
    const request = isSecure ? httpsRequest : httpRequest;
    const asked = request({ hostname, port, path: from.url, method, headers, agent }, (answer) => {
      if (lost) answer.resume().once('end', () => to.destroy());
      else passOn(call, answer, to);
    });
    asked.once('error', () => to.destroy());
    to.once('close', () => asked.destroy());
    if (body === undefined) from.pipe(asked);
    else asked.end(body);
  }

  async function take(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const body = readBodies ? await bodyOf(from) : undefined;
    const call: SeenCall = { method: from.method ?? '', path: from.url ?? '', ...describe(from, body ?? '') };
    seen.push(call);
    to.once('close', () => {
      if (!to.headersSent) call.abandoned = true;
    });
    const fault = decide(call);
    if (fault === undefined || fault === 'lost' || isLag(fault))
      return forward({ call, from, body }, to, fault === 'lost');
    if (fault === 'silent') return;
    if (fault === 'cut') return void from.socket.destroy();
    if ('delay' in fault) return void setTimeout(() => forward({ call, from, body }, to), fault.delay);
    const { answer, retryAfter, body: text = statusText(answer) } = fault;
    to.writeHead(answer, {
      'content-type': 'application/json',
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
    }).end(text);
  }

  const taken = (from: IncomingMessage, to: ServerResponse): void =>
    // A client that breaks off in the middle of its call.
    void take(from, to).catch(() => to.destroy());
  const server = tls ? createTlsServer(tls, taken) : createServer(taken);
  await new Promise<void>((open) => server.listen(0, '127.0.0.1', open));

  return {
    address: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => seen,
    forget: () => (seen = []),
    decide: (fault) => (decide = fault),
    heal: () => (decide = () => undefined),
    cutAll: () => server.closeAllConnections(),
    connections: () => new Promise((count) => server.getConnections((_, open) => count(open))),
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      agent.destroy();
    },
  };
}

async function bodyOf(from: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of from as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function isOpen({ destroyed, writableEnded }: ServerResponse): boolean {
  return !destroyed && !writableEnded;
}

function isLag(fault: Fault | undefined): fault is { lag: number } {
  return typeof fault === 'object' && 'lag' in fault;
}

/** The `Status` of an API server. */
function statusText(code: number): string {
  const message = `the proxy says ${code}`;
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
}
