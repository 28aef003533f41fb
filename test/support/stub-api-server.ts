/** A server that answers in the place of an API server, and the kubeconfig that leads to it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** Answers a request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface StubApiServer {
  /** Path of the kubeconfig, of a user without credentials. */
  kubeconfig: string;
  /** Path of one for the user `alice` with these credentials. */
  kubeconfigOf(user: object): string;
  close(): void;
}

/** Starts it on loopback. */
export async function startStubApiServer(answer: Answer): Promise<StubApiServer> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-api-server-'));
  const { port } = server.address() as AddressInfo;
  let written = 0;
  const kubeconfigOf = (user: object): string => {
    written += 1;
    const kubeconfig = path.join(dir, `kubeconfig-${written}`);
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'it',
        clusters: [
          { name: 'it', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
        ],
        users: [{ name: 'alice', user }],
        contexts: [{ name: 'it', context: { cluster: 'it', user: 'alice' } }],
      }),
    );
    return kubeconfig;
  };
  return {
    kubeconfig: kubeconfigOf({}),
    kubeconfigOf,
    close: () => {
      server.closeAllConnections();
      server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const say = (response: ServerResponse, code: number, body: object): void =>
  void response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** Answers with a `Status`. */
export const refuse = (response: ServerResponse, code: number, reason: string): void =>
  say(response, code, { kind: 'Status', code, reason, message: `this is ${reason}` });
