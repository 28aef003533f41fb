/** A process's own HTTP page, on loopback unless told otherwise: `/healthz`, `/readyz` and `/metrics`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';

/** What {@link startHealth} needs to know. */
export interface HealthOptions {
  /** Port; 0 takes a free one. */
  port: number;
  /** Address to listen on; default loopback. */
  host?: string;
  /** Why the process is not ready yet; undefined: it is. */
  notReady(): string | undefined;
  /** `host:port` of the SDK's Prometheus page, which `/metrics` shows below our own. */
  sdkMetricsAddress?: string;
}

/** A running health page. */
export interface Health {
  /** `host:port` it listens on. */
  address: string;
  /** Own metrics go here. */
  registry: Registry;
  close(): Promise<void>;
}

/**
 * Starts the page.
 *
 * @throws Error with code `EADDRINUSE` when the port is taken.
 */
export async function startHealth(options: HealthOptions): Promise<Health> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const pages: Record<string, () => Promise<Page>> = {
    '/healthz': async () => ({ status: 200, body: 'ok\n' }),
    '/readyz': async () => {
      const reason = options.notReady();
      return reason === undefined ? { status: 200, body: 'ok\n' } : { status: 503, body: `${reason}\n` };
    },
    '/metrics': async () => ({
      status: 200,
      body: (await registry.metrics()) + (await sdkMetrics(options.sdkMetricsAddress)),
    }),
  };
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url ?? '/', 'http://localhost').pathname] ?? notFound;
    page().then(
      ({ status, body }) =>
        response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address}:${port}`,
    registry,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Counts events by reason in `vmgroup_events_total`. */
export function countEvents(registry: Registry): (event: { reason: string; type: string }) => void {
  const counter = new Counter({
    name: 'vmgroup_events_total',
    help: 'Events of groups, their runs and their manifests.',
    labelNames: ['reason', 'type'],
    registers: [registry],
  });
  return ({ reason, type }) => counter.inc({ reason, type });
}

interface Page {
  status: number;
  body: string;
}

async function notFound(): Promise<Page> {
  return { status: 404, body: 'pages: /healthz /readyz /metrics\n' };
}

/** The SDK's page dies with the last worker, and metrics of the rest of the process must not. */
async function sdkMetrics(address: string | undefined): Promise<string> {
  if (address === undefined) return '';
  try {
    const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(2_000) });
    return response.ok ? await response.text() : '';
  } catch {
    return '';
  }
}
