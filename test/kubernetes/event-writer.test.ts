/**
 * Events on a real API server. The guarantees are those of kubernetes/event-writer.ts.
 *
 * Guarantees: G2.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  connectKubernetes,
  EventWriter,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type ObjectEvent,
} from '../../kubernetes';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { until } from '../support/until';

let cluster: TestCluster;
let api: ApiServer;
let object: KubernetesObject;
const errors: unknown[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
}, 120_000);
afterAll(() => cluster.stop());
let made = 0;
beforeEach(async () => {
  errors.length = 0;
  made += 1;
  object = await api.create(RESOURCES.leases, { metadata: { namespace: 'default', name: `lease-${made}` } });
});

function writer(to = api, instance = 'test-1'): EventWriter {
  const told = { controller: 'vmgroup.dev/test', instance };
  return new EventWriter({ api: to, ...told, pause: 60_000, onError: (error) => errors.push(error) });
}

function happened(over: Partial<ObjectEvent> = {}): ObjectEvent {
  const what = {
    type: 'Warning',
    reason: 'Failed',
    action: 'Try',
    note: 'no luck',
    subject: 'luck',
  } as const;
  return { ...what, at: Date.now(), ...over };
}

interface Written {
  note: string;
  reason: string;
  series?: { count: number };
}

async function written(): Promise<Written[]> {
  const { items } = await api.list(RESOURCES.events, { namespace: 'default' });
  const all = items as unknown as (Written & { regarding: { uid: string } })[];
  return all.filter(({ regarding }) => regarding.uid === object.metadata.uid);
}

test('EVENT-2: a repetition is counted, also where its note is another one; another subject is an Event of its own', async () => {
  const events = writer();
  for (const note of ['attempt 1', 'attempt 2', 'attempt 3']) events.write(object, happened({ note }));
  events.write(object, happened({ subject: 'other', note: 'x'.repeat(2_000) }));
  await events.stop();
  const [luck, other, ...more] = (await written()).sort((a, b) => (a.note < b.note ? -1 : 1));
  expect(more).toEqual([]);
  expect(errors).toEqual([]);
  expect(luck).toMatchObject({ note: 'attempt 1', reason: 'Failed', series: { count: 3 } });
  expect(other?.note).toHaveLength(1_024);
  expect(other?.series).toBeUndefined();
  expect(errors).toEqual([]);
});

test('EVENT-2: after a while it is a new one; a storm of new ones is bounded', async () => {
  const events = writer();
  const now = Date.now();
  events.write(object, happened({ at: now - 700_000 }));
  await until(async () => (await written()).length > 0);
  events.write(object, happened({ at: now - 50_000 }));
  for (let count = 0; count < 100; count += 1)
    events.write(object, happened({ subject: `s-${count}`, at: now }));
  await events.stop();
  expect(await written()).toHaveLength(27);
});

test('EVENT-1: an event that cannot be written is reported, and waits for its repetition', async () => {
  let refuses = true;
  const events = writer({
    ...api,
    create: (...given) => (refuses ? Promise.reject(new Error('not now')) : api.create(...given)),
  });
  events.write(object, happened());
  await until(() => errors.length > 0);
  refuses = false;
  events.write(object, happened());
  await events.stop();
  expect(errors).toEqual([new Error('not now')]);
  expect(await written()).toMatchObject([{ note: 'no luck', series: { count: 2 } }]);
});

test('EVENT-2: long notes, names and instances are cut to what the API server takes, between characters', async () => {
  const name = `${'n'.repeat(199)}-${'n'.repeat(50)}`;
  object = await api.create(RESOURCES.leases, { metadata: { namespace: 'default', name } });
  const events = writer(api, 'i'.repeat(253));
  for (let shift = 0; shift < 4; shift += 1) {
    events.write(object, happened({ subject: `${shift}`, note: 'x'.repeat(shift) + '😀é'.repeat(400) }));
  }
  await events.stop();
  expect(errors).toEqual([]);
  const notes = (await written()).map(({ note }) => note);
  expect(notes).toHaveLength(4);
  for (const note of notes) {
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1_024);
    expect(note).toMatch(/^x*(😀é)+😀?\.\.\.$/u);
  }
});

test('EVENT-2: at the end too, a few are written at a time', async () => {
  let open = 0;
  let most = 0;
  let made = 0;
  const slow: ApiServer = {
    ...api,
    create: async (_resource, event) => {
      most = Math.max(most, (open += 1));
      await sleep(10);
      open -= 1;
      made += 1;
      return event;
    },
  };
  const events = writer(slow);
  for (let at = 0; at < 100; at += 1) {
    const metadata = { namespace: 'default', name: `app-${at}`, uid: `uid-${at}` };
    events.write({ metadata }, happened());
  }
  await events.stop();
  expect([most, made, errors]).toEqual([4, 100, []]);
});

test('EVENT-3: an object is not kept because an Event of it may repeat', async () => {
  const events = writer();
  const specs = [{ bootOrder: ['much'] }];
  const kept = new WeakRef(specs[0] as object);
  events.write({ ...object, spec: specs.pop() }, happened());
  await events.stop();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await until(() => {
    collect();
    return kept.deref() === undefined;
  });
});
