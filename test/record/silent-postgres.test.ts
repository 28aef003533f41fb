/** A PostgreSQL that is gone without a word, as a host that lost its power: every call on the record gives up. */
import { openPostgresStore, type RecordStore } from '../../record/store';
import { startPostgres, type TestPostgres } from '../support/postgres';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { allOf, eventsOf } from './record-fixtures';

let postgres: TestPostgres;
let proxy: TcpProxy;
let store: RecordStore;

beforeAll(async () => {
  postgres = await startPostgres();
  const url = new URL(await postgres.database('record_silent'));
  proxy = await startTcpProxy(url.host);
  url.host = proxy.address;
  store = await openPostgresStore(url.href);
});
afterAll(async () => {
  await proxy?.close();
  await store?.close();
  await postgres?.stop();
});

test('each call is given up after its time', async () => {
  await Promise.all([store.append(eventsOf('a'), 0), store.head(), store.seen(), store.completeAt()]);
  proxy.freeze();
  const calls = await Promise.allSettled([
    store.append(eventsOf('b'), 0),
    store.head(),
    allOf(store),
    store.keepHistory('b-1', '{}'),
  ]);
  expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
}, 200_000);
