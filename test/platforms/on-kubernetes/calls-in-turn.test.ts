/**
 * Calls to an API server that is slow, or does not answer writes.
 *
 * Guarantees: G3.
 */
import { connectKubernetes, RESOURCES, type ApiServer } from '../../../kubernetes';
import { callsInTurn } from '../../../platforms/on-kubernetes';
import { say, startStubApiServer, type StubApiServer } from '../../support/stub-api-server';

const AT_ONCE = 32;
const key = { namespace: 'prod', name: 'app' };
let server: StubApiServer;
let api: ApiServer;
/** Milliseconds after which the server answers reads and writes; Infinity: never. */
let pauses = { GET: 0, PATCH: 0 };
/** Requests that the server has not answered, and the most of them that there have been. */
let open = 0;
let most = 0;

beforeAll(async () => {
  server = await startStubApiServer(({ method }, response) => {
    open += 1;
    most = Math.max(most, open);
    response.once('close', () => (open -= 1));
    const pause = pauses[method as keyof typeof pauses];
    if (Number.isFinite(pause)) setTimeout(() => say(response, 200, {}), pause);
  });
  api = connectKubernetes({ kubeconfig: server.kubeconfig });
});
beforeEach(() => (most = 0));
afterAll(() => server.close());

const merges = (
  calls: Pick<ApiServer, 'merge'>,
  count: number,
  options: { signal?: AbortSignal },
): Promise<unknown>[] =>
  Array.from({ length: count }, () => calls.merge(RESOURCES.virtualMachines, key, {}, options));

test('TURN-1: a server gets a few writes at a time, and all of them in the end', async () => {
  pauses = { GET: 0, PATCH: 100 };
  await Promise.all(merges(callsInTurn(api), 3 * AT_ONCE, {}));
  expect(most).toBe(AT_ONCE);
});

test('TURN-1: a call whose signal aborts before its turn is not made, and its error names it', async () => {
  pauses = { GET: 0, PATCH: 1_000 };
  const calls = callsInTurn(api);
  const made = Promise.all(merges(calls, AT_ONCE, {}));
  const controller = new AbortController();
  const [waiting] = merges(calls, 1, { signal: controller.signal });
  controller.abort(new Error('the attempt was cancelled'));
  await expect(waiting).rejects.toMatchObject({
    name: 'KubernetesError',
    code: 0,
    message: 'patch virtualmachines prod/app: the attempt was cancelled',
  });
  await made;
  expect(most).toBe(AT_ONCE);
});

test('CALLS-1: reads go on while the server answers no write', async () => {
  pauses = { GET: 0, PATCH: Infinity };
  const calls = callsInTurn(api);
  const controller = new AbortController();
  const writes = Promise.allSettled(merges(calls, 2 * AT_ONCE, { signal: controller.signal }));
  expect(await calls.get(RESOURCES.virtualMachines, key)).toEqual({});
  controller.abort();
  const ended = await writes;
  expect(ended.map(({ status }) => status)).toEqual(ended.map(() => 'rejected'));
});
