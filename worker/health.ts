/** The HTTP server of a process, on loopback by default: `/healthz`, `/readyz` and `/metrics`. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { HTTP_LIMITS, startHttpServer } from '../http';

/** What {@link startHealth} needs. */
export interface HealthOptions {
  /** Port; 0 takes a free one. */
  port: number;
  /** Address to listen on; default loopback. */
  host?: string;
  /** Why the process is not ready yet; undefined: it is. */
  notReady(): string | undefined | Promise<string | undefined>;
  /** `host:port` of the SDK's Prometheus page, which `/metrics` appends to our own. */
  sdkMetricsAddress?: string;
}

/** A running server. */
export interface Health {
  /** `host:port` it listens on. */
  address: string;
  /** Holds our own metrics. */
  registry: Registry;
  close(): Promise<void>;
}

/**
 * Starts the server.
 *
 * @throws Error with code `EADDRINUSE` when the port is taken.
 */
export async function startHealth(options: HealthOptions): Promise<Health> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const pages = new Map<string, () => Promise<Page>>([
    ['/healthz', async () => ({ status: 200, body: 'ok\n' })],
    [
      '/readyz',
      shared(async () => {
        const reason = await options.notReady();
        return reason === undefined ? { status: 200, body: 'ok\n' } : { status: 503, body: `${reason}\n` };
      }),
    ],
    [
      '/metrics',
      shared(async () => ({
        status: 200,
        body: (await registry.metrics()) + (await sdkMetrics(options.sdkMetricsAddress)),
      })),
    ],
  ]);
  const server = await startHttpServer({
    port: options.port,
    ...(options.host !== undefined && { host: options.host }),
    limits: HTTP_LIMITS.health,
    handle: async ({ method, path, response }) => {
      const page = pages.get(path) ?? notFound;
      const { status, body } = method === 'GET' || method === 'HEAD' ? await page() : WRONG_METHOD;
      response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
    },
  });
  return { address: server.address, registry, close: () => server.close() };
}

/**
 * Counts events by reason in `vmgroup_events_total`.
 *
 * @param reasons those that there are. Each is shown from the start, as 0: Prometheus sees no increase in what appears with its first event.
 */
export function countEvents(
  registry: Registry,
  reasons: readonly string[],
): (event: { reason: string; type: string }) => void {
  const counter = new Counter({
    name: 'vmgroup_events_total',
    help: 'Events of groups, their runs and their manifests.',
    labelNames: ['reason', 'type'],
    registers: [registry],
  });
  for (const reason of reasons) for (const type of ['Normal', 'Warning']) counter.inc({ reason, type }, 0);
  return ({ reason, type }) => counter.inc({ reason, type });
}

/** Counts the reviews of the admission webhook, by outcome, in `vmgroup_webhook_seconds`. */
export function countReviews(
  registry: Registry,
): (review: { path: string; kind: string; outcome: string; milliseconds: number }) => void {
  const seconds = new Histogram({
    name: 'vmgroup_webhook_seconds',
    help: 'Answers of the admission webhook, and how long they took.',
    labelNames: ['path', 'kind', 'outcome'],
    registers: [registry],
  });
  return ({ path, kind, outcome, milliseconds }) =>
    seconds.observe({ path, kind, outcome }, milliseconds / 1000);
}

/** Figures of a bridge on a cluster. */
export interface BridgeFigures {
  /** Follows desired state, the platform and Temporal. */
  ready: boolean;
  leading: boolean;
  statusWrites: number;
  /** Groups whose open runs are stuck, by reason of their conditions. */
  stuckRuns: Record<string, number>;
  /** By plural of the resource. */
  caches: Record<
    string,
    { objects: number; live: boolean; lists: number; watches: number; failures: number }
  >;
}

/** Shows the figures of a bridge on a cluster, read at each scrape. */
export function showFigures(registry: Registry, read: () => BridgeFigures): void {
  const gauge = (
    name: string,
    help: string,
    collect: (gauge: Gauge<'resource' | 'reason'>) => void,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ['resource', 'reason'],
      registers: [registry],
      collect() {
        collect(this);
      },
    });
  };
  const byResource = (
    name: string,
    help: string,
    of: (cache: BridgeFigures['caches'][string]) => number,
  ): void =>
    gauge(name, help, (shown) => {
      for (const [resource, cache] of Object.entries(read().caches)) shown.set({ resource }, of(cache));
    });
  gauge('vmgroup_bridge_ready', '1 where it follows desired state, the platform and Temporal.', (shown) =>
    shown.set(Number(read().ready)),
  );
  gauge('vmgroup_bridge_leading', '1 where this process writes status.', (shown) =>
    shown.set(Number(read().leading)),
  );
  gauge('vmgroup_bridge_status_writes', 'Status writes since the start.', (shown) =>
    shown.set(read().statusWrites),
  );
  gauge('vmgroup_runs_stuck', 'Groups whose open runs make no progress.', (shown) => {
    for (const [reason, count] of Object.entries(read().stuckRuns)) shown.set({ reason }, count);
  });
  byResource('vmgroup_cache_objects', 'Objects in memory.', ({ objects }) => objects);
  byResource('vmgroup_cache_live', '1 where every watch is open.', ({ live }) => Number(live));
  byResource('vmgroup_cache_lists', 'Lists that were answered since the start.', ({ lists }) => lists);
  byResource('vmgroup_cache_watches', 'Watches opened since the start.', ({ watches }) => watches);
  byResource('vmgroup_cache_failures', 'Lists and watches that failed.', ({ failures }) => failures);
}

interface Page {
  status: number;
  body: string;
}

const WRONG_METHOD: Page = { status: 405, body: 'only GET and HEAD are allowed\n' };

async function notFound(): Promise<Page> {
  return { status: 404, body: 'pages: /healthz /readyz /metrics\n' };
}

/** A page that is rendered once for all requests that arrive while it is being rendered. */
function shared(make: () => Promise<Page>): () => Promise<Page> {
  let making: Promise<Page> | undefined;
  return () => (making ??= make().finally(() => (making = undefined)));
}

/** The SDK's metrics; empty after its last worker has stopped, so that our own remain. */
async function sdkMetrics(address: string | undefined): Promise<string> {
  if (address === undefined) return '';
  try {
    const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(2_000) });
    return response.ok ? await response.text() : '';
  } catch {
    return '';
  }
}
