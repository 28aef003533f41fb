/**
 * The calls of the simulated platform: JSON over HTTP, on loopback only.
 *
 * | call | body → answer |
 * | --- | --- |
 * | `GET /v1/health` | → `{instance, pid}` |
 * | `GET /v1/watch` | → one line of JSON for every VM, then for every change, with heartbeats between |
 * | `GET /v1/vms` | → `{vms}`: each with its state, its share of the host and what rules see of it |
 * | `GET /v1/vms/NAMESPACE/NAME?uid=UID` | → `{state}`; 404 if there is no such VM |
 * | `GET /v1/vms/NAMESPACE/NAME/guest?uid=UID` | → `{heartbeat, info}`: what its guest reports about itself |
 * | `POST /v1/power` | `PowerRequest` → `{state}` |
 * | `POST /v1/place` | `{requests, caller, sequence?, beside?}` → `{results}` |
 * | `POST /v1/answer` | `{vm, question, choice}`: the answer to a question of the platform → `{}` |
 * | `POST /v1/release` | `{vms, caller, sequence}` → `{vms}`: those that have no place now |
 * | `GET /v1/journal?since=N&limit=M` | → the journal's lines after line N; at most M, and at most 10,000 |
 * | `GET`, `PUT /v1/inventory`, `PUT /v1/faults` | the platform's hosts, datastores, behaviour and faults |
 * | `POST /v1/console/power`, `/delete`, `/fail` | changes that a group does not know of |
 *
 * A refusal is `{error: {class, message, retryAfter?}}`.
 */
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { HttpError, type Exchange } from '../../http';
import {
  answerBody,
  consoleDeleteBody,
  consoleFailBody,
  consolePowerBody,
  faultsBody,
  inventoryBody,
  JOURNAL_PAGE,
  placeBody,
  powerBody,
  releaseBody,
} from '../../platforms/simulated';
import type { Machine } from '../machine';
import { readBody, refuseForeign, send, sendError, wholeNumber } from './answers';
import { WatchStream } from './watch-stream';

/** What the calls work on. */
export interface Served {
  instance: string;
  /** Resolves once the platform is open. */
  machine: Promise<Machine>;
  /** Aborts when the server closes. */
  closing: AbortSignal;
}

/** Answers one call. Never rejects. */
export async function serve(served: Served, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  response.setHeader('x-instance', served.instance);
  try {
    refuseForeign(request);
    const answer = await route(served, exchange);
    if (answer !== HANDLED) send(response, 200, answer);
  } catch (error: unknown) {
    if (response.headersSent) response.destroy();
    else sendError(response, error);
  }
}

/** Not an answer in JSON: the handler wrote it itself, or withholds it. */
const HANDLED = Symbol('handled');

type Handler = (machine: Machine, exchange: Exchange, served: Served) => unknown;

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['GET /v1/watch', watch],
  ['GET /v1/vms', (machine) => ({ vms: machine.list() })],
  ['POST /v1/power', power],
  ['POST /v1/place', place],
  ['POST /v1/release', release],
  [
    'POST /v1/answer',
    async (machine, exchange) => {
      const { vm, ...answer } = await readBody(exchange, answerBody);
      return done(machine.answer(vm, answer));
    },
  ],
  ['GET /v1/journal', sendJournal],
  ['GET /v1/inventory', (machine) => ({ inventory: machine.inventory })],
  [
    'PUT /v1/inventory',
    async (machine, exchange) => done(machine.setInventory(await readBody(exchange, inventoryBody))),
  ],
  [
    'PUT /v1/faults',
    async (machine, exchange) => done(machine.setFaults(await readBody(exchange, faultsBody))),
  ],
  ['POST /v1/console/power', consolePower],
  [
    'POST /v1/console/delete',
    async (machine, exchange) =>
      done(machine.consoleDelete((await readBody(exchange, consoleDeleteBody)).vm)),
  ],
  ['POST /v1/console/fail', consoleFail],
]);

async function route(served: Served, exchange: Exchange): Promise<unknown> {
  const call = `${exchange.method} ${exchange.path}`;
  // Also while the platform is not open yet.
  if (call === 'GET /v1/health') return { instance: served.instance, pid: process.pid };
  const machine = await served.machine;
  const handler = HANDLERS.get(call);
  return handler ? handler(machine, exchange, served) : readVm(machine, call, exchange.query);
}

async function done(call: Promise<void>): Promise<object> {
  await call;
  return {};
}

function watch(machine: Machine, { request, response }: Exchange, { closing }: Served): typeof HANDLED {
  new WatchStream(machine, response, closing);
  request.resume();
  return HANDLED;
}

async function power(machine: Machine, exchange: Exchange): Promise<unknown> {
  const { state, lost } = await machine.power(await readBody(exchange, powerBody));
  if (!lost) return { state };
  exchange.response.destroy();
  return HANDLED;
}

async function place(machine: Machine, exchange: Exchange): Promise<unknown> {
  const { requests, ...options } = await readBody(exchange, placeBody);
  return { results: await machine.place(requests, options, hangUpSignal(exchange.response)) };
}

/** Aborts when the caller hangs up. */
function hangUpSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

async function release(machine: Machine, exchange: Exchange): Promise<unknown> {
  const { vms, ...options } = await readBody(exchange, releaseBody);
  return { vms: await machine.release(vms, options) };
}

async function consolePower(machine: Machine, exchange: Exchange): Promise<unknown> {
  const { vm, powerState } = await readBody(exchange, consolePowerBody);
  return { state: await machine.consolePower(vm, powerState) };
}

async function consoleFail(machine: Machine, exchange: Exchange): Promise<unknown> {
  const { vm, ...failure } = await readBody(exchange, consoleFailBody);
  return { state: await machine.consoleFail(vm, failure) };
}

function readVm(machine: Machine, call: string, query: URLSearchParams): unknown {
  const match = /^GET \/v1\/vms\/([^/]+)\/([^/]+)(\/guest)?$/.exec(call);
  if (!match) throw new HttpError(404, `there is no ${call}`);
  const [, namespace = '', name = ''] = match.map((part = '') => decoded(part));
  const vm = { namespace, name, uid: query.get('uid') ?? '' };
  const guest = match[3] === undefined ? undefined : machine.guest(vm);
  if (guest) return guest;
  const state = machine.read(vm);
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

async function sendJournal(machine: Machine, { query, response }: Exchange): Promise<typeof HANDLED> {
  const since = wholeNumber(query, 'since', 0);
  const limit = Math.min(JOURNAL_PAGE, wholeNumber(query, 'limit', JOURNAL_PAGE));
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  await pipeline(async function* () {
    for await (const line of machine.readJournal(since, limit)) yield `${JSON.stringify(line)}\n`;
  }, response);
  return HANDLED;
}
