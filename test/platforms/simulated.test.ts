/** The client and the console of the simulated platform where something else answers, or the platform refuses. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PlatformError } from '../../platforms';
import { SimulatedPlatform, SimulatorConsole } from '../../platforms/simulated';
import { placement, power, vm } from '../simulator/fixtures';

let server: Server;
let platform: SimulatedPlatform;
let desk: SimulatorConsole;
let answer: { status: number; body: string };
beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  platform = new SimulatedPlatform(address);
  desk = new SimulatorConsole(address);
});
afterAll(async () => {
  await platform.close();
  desk.close();
  server.close();
});

const refused = JSON.stringify({ error: { class: 'Permanent', message: 'host elsewhere is not served' } });
const calls: [string, () => Promise<unknown>][] = [
  ['read', () => platform.read(vm('db'))],
  ['guest', () => platform.guest(vm('db'), [])],
  ['power', () => platform.power(power('db', 'PoweredOn'))],
  ['place', () => platform.place([placement('db')], { caller: 'test' })],
  ['release', () => platform.release([vm('db')], { caller: 'test', sequence: 1 })],
  ['inventory', () => desk.inventory()],
  ['list', () => desk.list()],
  ['journal', () => desk.journal()],
];

async function refusalOf(call: Promise<unknown>): Promise<PlatformError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PlatformError);
  return error as PlatformError;
}

test.each(calls)('%s: 404 of another server is no answer of the platform', async (_name, call) => {
  answer = { status: 404, body: '{}' };
  const error = await refusalOf(call());
  expect(error).toMatchObject({ failureClass: 'Transient' });
  expect(error.message).toMatch(/^(GET|POST) http:.*: HTTP status 404; is the simulated platform running\?$/);
});

test.each(calls)('%s: a refusal is passed on', async (_name, call) => {
  answer = { status: 403, body: refused };
  const error = await refusalOf(call());
  expect(error).toMatchObject({ failureClass: 'Permanent', message: 'host elsewhere is not served' });
});

test.each(calls)('%s: a page is no answer of the platform', async (_name, call) => {
  answer = { status: 200, body: '<html></html>' };
  const error = await refusalOf(call());
  expect(error).toMatchObject({ failureClass: 'Transient' });
  expect(error.message).toContain('is the simulated platform running?');
});

test('a VM that the platform does not have is not there', async () => {
  answer = { status: 404, body: JSON.stringify({ error: { class: 'Permanent', message: 'no VM' } }) };
  expect(await platform.read(vm('db'))).toBeUndefined();
  expect(await platform.guest(vm('db'), [])).toBeUndefined();
});

test('a busy platform gets 16 calls at a time, and the time limit of each begins with its turn', async () => {
  let [open, most] = [0, 0];
  const busy = createServer((_request, response) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open -= 1;
      response.writeHead(200).end(JSON.stringify({ state: {} }));
    }, 1_000);
  }).listen(0, '127.0.0.1');
  await once(busy, 'listening');
  const client = new SimulatedPlatform(`http://127.0.0.1:${(busy.address() as AddressInfo).port}`, 3_000);
  const vms = Array.from({ length: 64 }, (_, at) => vm(`vm-${at}`));
  expect(await Promise.all(vms.map((each) => client.read(each)))).toEqual(vms.map(() => ({})));
  expect(most).toBe(16);

  const waiting = vms.slice(0, 16).map((each) => client.read(each));
  const controller = new AbortController();
  const last = refusalOf(client.read(vm('last'), controller.signal));
  controller.abort(new Error('the attempt was cancelled'));
  expect((await last).message).toContain('the attempt was cancelled');
  await Promise.all(waiting);
  await client.close();
  busy.close();
});
