/** Stands before an API server and lets a test decide, call by call, what goes wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';

/** One call as the proxy sees it. */
export interface SeenCall {
  method: string;
  /** With its query. */
  path: string;
  /** Plural of the resource, `/status` after it where that is what the call is about. */
  resource: string;
  watch: boolean;
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
  | { delay: number };

/** A proxy that is open. */
export interface FaultProxy {
  /** Path of a kubeconfig that leads through the proxy. */
  kubeconfig: string;
  /** Every call since the last {@link FaultProxy.forget}. */
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

/** Opens a proxy for whoever has the kubeconfig. */
export async function startFaultProxy(kubeconfig: string): Promise<FaultProxy> {
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-fault-proxy-'));
  const config = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: { name: string; cluster: { server: string } }[];
  };
  const target = new URL(config.clusters[0]?.cluster.server ?? '');
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  let seen: SeenCall[] = [];
  let decide: (call: SeenCall) => Fault | undefined = () => undefined;

  function forward(call: SeenCall, from: IncomingMessage, to: ServerResponse, lost = false): void {
    const { hostname, port } = target;
    const { method, headers } = from;
    const asked = httpsRequest({ hostname, port, path: from.url, method, headers, agent }, (answer) => {
      if (lost) return void answer.resume().once('end', () => to.destroy());
      to.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
      answer.on('data', (chunk: Buffer) => {
        const fault = call.watch ? decide(call) : undefined;
        if (fault === 'silent') return;
        if (fault !== 'cut') return void to.write(chunk);
        to.write(chunk.subarray(0, Math.floor(chunk.length / 2)), () => to.destroy());
      });
      // A watch that is silent does not even tell of its end.
      answer.once('end', () => (decide(call) === 'silent' ? undefined : to.end()));
      answer.once('error', () => to.destroy());
    });
    asked.once('error', () => to.destroy());
    to.once('close', () => asked.destroy());
    from.pipe(asked);
  }

  const server = createServer((from, to) => {
    const call = callOf(from);
    seen.push(call);
    const fault = decide(call);
    if (fault === undefined || fault === 'lost') return forward(call, from, to, fault === 'lost');
    if (fault === 'silent') return;
    if (fault === 'cut') return void from.socket.destroy();
    if ('delay' in fault) return void setTimeout(() => forward(call, from, to), fault.delay);
    const { answer, retryAfter, body = statusText(answer) } = fault;
    to.writeHead(answer, {
      'content-type': 'application/json',
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
    }).end(body);
  });
  await new Promise<void>((open) => server.listen(0, '127.0.0.1', open));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clusters = config.clusters.map(({ name }) => ({
    name,
    cluster: { server: address, 'insecure-skip-tls-verify': true },
  }));
  const file = path.join(dir, 'kubeconfig.yaml');
  writeFileSync(file, stringify({ ...config, clusters }));

  return {
    kubeconfig: file,
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
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function callOf({ method = '', url = '' }: IncomingMessage): SeenCall {
  const { pathname, searchParams } = new URL(url, 'http://proxy');
  const [root, ...steps] = pathname.slice(1).split('/');
  const rest = steps.slice(root === 'api' ? 1 : 2);
  const [plural = '', , subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  return { method, path: url, resource, watch: searchParams.get('watch') === 'true' };
}

function statusText(code: number): string {
  const message = `the proxy says ${code}`;
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
}
