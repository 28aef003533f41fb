/**
 * The simulated platform as a process others call: JSON over HTTP, on loopback only.
 *
 * | call | body → answer |
 * | --- | --- |
 * | `GET /v1/health` | → `{instance, pid}` |
 * | `GET /v1/watch` | → one line of JSON for every VM, then for every change, with heartbeats between |
 * | `GET /v1/vms` | → `{vms}`: each with its state, what it takes of its host and what rules see of it |
 * | `GET /v1/vms/NAMESPACE/NAME?uid=UID` | → `{state}`; 404 where there is no such VM |
 * | `POST /v1/power` | `PowerRequest` → `{state}` |
 * | `POST /v1/place` | `{requests, caller, sequence?, beside?}` → `{results}` |
 * | `POST /v1/release` | `{vms, caller, sequence}` → `{vms}`: those that have no place now |
 * | `GET /v1/journal?since=N&limit=M` | → the journal's lines after line N; at most M, and at most 10,000 |
 * | `GET`, `PUT /v1/inventory`, `PUT /v1/faults` | what the platform consists of and how it goes wrong |
 * | `POST /v1/console/power`, `/delete`, `/fail` | what a person does behind the group's back |
 *
 * A refusal is `{error: {class, message, retryAfter?}}`.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { SimulatedInventory } from '../api';
import { HTTP_LIMITS, HttpError, startHttpServer, type Exchange } from '../http';
import type { Solve } from '../placement';
import { PlatformError, type FailureClass } from '../platforms';
import { lockJournal } from './lock';
import { Machine } from './machine';
import {
  JOURNAL_PAGE,
  consoleDeleteBody,
  consoleFailBody,
  consolePowerBody,
  faultsBody,
  inventoryBody,
  placeBody,
  powerBody,
  releaseBody,
  type Refusal,
  type WatchLine,
} from '../platforms/simulated';

/** What {@link startSimulator} starts with. */
export interface SimulatorOptions {
  /** Folder of the journal; made where it does not exist. One simulator a folder. */
  dataDir: string;
  /** Left out: the one in the journal, or the default one. */
  inventory?: SimulatedInventory;
  /** Port on 127.0.0.1; left out: any free one. */
  port?: number;
  /** Finds places; left out: the solver, in a thread. */
  solve?: Solve;
  /** Told once where the journal cannot be written any more: from then on every change is refused. */
  onBroken?: (error: Error) => void;
}

/** A running simulator. */
export interface Simulator {
  /** `http://127.0.0.1:PORT`. */
  address: string;
  /** Path of the journal file. */
  journal: string;
  /** The engine, for a controller in the same process. */
  machine: Machine;
  /** Replaces hosts, datastores and behaviour; VMs keep their places. */
  setInventory(inventory: SimulatedInventory): Promise<void>;
  /** Ends every call and watch, writes what is to be written and gives the folder back. */
  close(): Promise<void>;
}

/** Milliseconds between two heartbeats of the watch. */
const HEARTBEAT = 2_000;
/** Bytes that may wait for a slow watcher before it is cut off (it then watches again). */
const WATCH_BACKLOG = 64 * 1024 * 1024;

/**
 * Starts the simulated platform.
 *
 * @throws SimulatorInUseError where another process works on `dataDir`.
 * @throws Error where the port is taken or the journal is damaged.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const instance = randomUUID();
  let opened: (machine: Machine) => void = () => undefined;
  const machine = new Promise<Machine>((resolve) => (opened = resolve));
  const journal = join(options.dataDir, 'journal.jsonl');
  const closing = new AbortController();
  // Every watcher listens to it; Node warns from the eleventh on.
  setMaxListeners(0, closing.signal);
  const server = await startHttpServer({
    port: options.port ?? 0,
    limits: HTTP_LIMITS.simulator,
    handle: (exchange) => serve({ instance, machine, closing: closing.signal }, exchange),
  });
  const address = `http://${server.address}`;
  try {
    const onBroken = once(options.onBroken);
    // The lock names the address of its holder, so the server listens before it holds the lock.
    const lock = await lockJournal(options.dataDir, address, () =>
      onBroken(new Error(`another process has taken over ${options.dataDir}, while this one was paused`)),
    );
    try {
      const running = await Machine.open(journal, options.inventory, onBroken, options.solve);
      opened(running);
      const close = async (): Promise<void> => {
        closing.abort();
        await running.close();
        await server.close();
        await lock.release();
      };
      let closed: Promise<void> | undefined;
      return {
        address,
        journal,
        machine: running,
        setInventory: (inventory) => running.setInventory(inventory),
        close: () => (closed ??= close()),
      };
    } catch (error: unknown) {
      await lock.release();
      throw error;
    }
  } catch (error: unknown) {
    await server.close();
    throw error;
  }
}

function once(onBroken: SimulatorOptions['onBroken']): (error: Error) => void {
  let told = false;
  return (error) => {
    if (!told) onBroken?.(error);
    told = true;
  };
}

interface Served {
  instance: string;
  machine: Promise<Machine>;
  closing: AbortSignal;
}

/** An answer that is not JSON: it was written by the handler itself, or is withheld. */
const ANSWERED = Symbol('answered');

async function serve(served: Served, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  response.setHeader('x-instance', served.instance);
  try {
    refuseForeign(request);
    const answer = await route(served, exchange);
    if (answer !== ANSWERED) send(response, 200, answer);
  } catch (error: unknown) {
    if (response.headersSent) response.destroy();
    else sendError(response, error);
  }
}

async function route(served: Served, exchange: Exchange): Promise<unknown> {
  const { request, response, query } = exchange;
  const call = `${exchange.method} ${exchange.path}`;
  if (call === 'GET /v1/health') return { instance: served.instance, pid: process.pid };
  const machine = await served.machine;
  switch (call) {
    case 'GET /v1/watch':
      return watch(machine, served.closing, request, response);
    case 'GET /v1/vms':
      return { vms: machine.standing() };
    case 'POST /v1/power': {
      const { state, lost } = await machine.power(await body(exchange, powerBody));
      if (!lost) return { state };
      response.destroy();
      return ANSWERED;
    }
    case 'POST /v1/place': {
      const { requests, ...options } = await body(exchange, placeBody);
      return { results: await machine.place(requests, options, gone(exchange.response)) };
    }
    case 'POST /v1/release': {
      const { vms, ...options } = await body(exchange, releaseBody);
      return { vms: await machine.release(vms, options) };
    }
    case 'GET /v1/journal':
      return sendJournal(machine, query, response);
    case 'GET /v1/inventory':
      return { inventory: machine.inventory };
    case 'PUT /v1/inventory':
      await machine.setInventory(await body(exchange, inventoryBody));
      return {};
    case 'PUT /v1/faults':
      await machine.setFaults(await body(exchange, faultsBody));
      return {};
    case 'POST /v1/console/power': {
      const { vm, powerState } = await body(exchange, consolePowerBody);
      return { state: await machine.consolePower(vm, powerState) };
    }
    case 'POST /v1/console/delete':
      await machine.consoleDelete((await body(exchange, consoleDeleteBody)).vm);
      return {};
    case 'POST /v1/console/fail': {
      const { vm, class: failureClass, message } = await body(exchange, consoleFailBody);
      return { state: await machine.consoleFail(vm, { class: failureClass, message }) };
    }
    default:
      return readVm(machine, call, query);
  }
}

/** Aborts once the caller waits no more. */
function gone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

function readVm(machine: Machine, call: string, query: URLSearchParams): unknown {
  const match = /^GET \/v1\/vms\/([^/]+)\/([^/]+)$/.exec(call);
  if (!match) throw new HttpError(404, `there is no ${call}`);
  const [, namespace = '', name = ''] = match.map(decoded);
  const state = machine.read({ namespace, name, uid: query.get('uid') ?? '' });
  if (!state) throw new HttpError(404, `the platform has no VM ${namespace}/${name} of that uid`);
  return { state };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, `${text} is not percent-encoded UTF-8`);
  }
}

/** Pages of the open web must not reach the platform through the browser of the person who runs it. */
function refuseForeign(request: IncomingMessage): void {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (host !== '127.0.0.1' && host !== 'localhost') throw new HttpError(403, `host ${host} is not served`);
  const hasBody = request.method === 'POST' || request.method === 'PUT';
  if (hasBody && request.headers['content-type'] !== 'application/json') {
    throw new HttpError(415, 'the content type must be application/json');
  }
}

async function body<T>(exchange: Exchange, schema: z.ZodType<T>): Promise<T> {
  const text = await exchange.body();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error: unknown) {
    throw new HttpError(400, `the body is not JSON: ${String(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new HttpError(400, `the body is wrong: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  const text = JSON.stringify(answer);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

const STATUS: Record<FailureClass, number> = {
  Transient: 503,
  Throttled: 429,
  NoCapacity: 507,
  OperationTimeout: 504,
  GateTimeout: 504,
  Permanent: 422,
  Superseded: 409,
};

function sendError(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const { retryAfter, recorded } = error instanceof PlatformError ? error : {};
  const failureClass = classOf(error);
  const status =
    error instanceof HttpError ? error.status : error instanceof PlatformError ? STATUS[failureClass] : 500;
  const refusal: Refusal = {
    error: {
      class: failureClass,
      message,
      ...(retryAfter !== undefined && { retryAfter }),
      ...(recorded && { recorded }),
    },
  };
  send(response, status, refusal);
}

function classOf(error: unknown): FailureClass {
  if (error instanceof PlatformError) return error.failureClass;
  return error instanceof HttpError && error.status < 500 ? 'Permanent' : 'Transient';
}

async function sendJournal(
  machine: Machine,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<typeof ANSWERED> {
  const since = wholeNumber('since', query.get('since') ?? '0');
  const limit = Math.min(JOURNAL_PAGE, wholeNumber('limit', query.get('limit') ?? String(JOURNAL_PAGE)));
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  await pipeline(async function* () {
    for await (const line of machine.readJournal(since, limit)) yield `${JSON.stringify(line)}\n`;
  }, response);
  return ANSWERED;
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new HttpError(400, `${name} must be a whole number`);
  return number;
}

function watch(
  machine: Machine,
  closing: AbortSignal,
  request: IncomingMessage,
  response: ServerResponse,
): typeof ANSWERED {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const lines: string[] = [];
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    if (response.destroyed || response.writableEnded) return;
    if (response.writableLength > WATCH_BACKLOG) response.destroy();
    else response.write(lines.splice(0).join(''));
  };
  const tell = (line: WatchLine): void => {
    lines.push(`${JSON.stringify(line)}\n`);
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };
  tell({ type: 'hello', heartbeat: HEARTBEAT });
  const { states, end } = machine.watch({
    changed: (state) => tell({ type: 'changed', state }),
    deleted: (vm) => tell({ type: 'deleted', vm }),
  });
  for (const state of states) tell({ type: 'changed', state });
  tell({ type: 'synced' });
  const beat = setInterval(() => tell({ type: 'heartbeat' }), HEARTBEAT);
  const finish = (): void => {
    clearInterval(beat);
    end();
    response.end();
  };
  closing.addEventListener('abort', finish, { once: true });
  response.once('close', () => {
    closing.removeEventListener('abort', finish);
    finish();
  });
  request.resume();
  return ANSWERED;
}
