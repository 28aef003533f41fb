/** Ports for servers that cannot choose one themselves. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Systems take ports for connections, and for servers that accept any port, from 32768 on. Below, nothing takes a port between its choice and the
 * start of its server, or while that is down.
 */
const FIRST = 10_000;
/** Ports of each worker process of Jest, so that no two of them choose the same one. */
const SHARE = 2_000;
const WORKERS = 11;

const worker = Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS;
let next = Math.floor(Math.random() * SHARE);

/** A port of 127.0.0.1 on which nothing listens, another one with each call. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < SHARE; tries += 1) {
    const port = FIRST + worker * SHARE + next;
    next = (next + 1) % SHARE;
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${SHARE} ports is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
