/**
 * The platform libvirt while the clock of its process is set.
 *
 * Guarantees: G4.
 */
import { Duplex } from 'node:stream';
import type { WatchSink } from '../../../platforms/platform';
import type { Daemon } from '../../../platforms/libvirt/daemon';
import type { DomainFacts } from '../../../platforms/libvirt/facts';
import type { Host } from '../../../platforms/libvirt/host';
import { Observations } from '../../../platforms/libvirt/observations';
import { readDomain } from '../../../platforms/libvirt/readings';
import { RpcClient } from '../../../platforms/libvirt/rpc';
import { MESSAGE_TYPES, PROGRAMS, STATUS, writeFrame } from '../../../platforms/libvirt/rpc/frames';

const DAY = 86_400_000;
const domain = { name: 'db', uuid: 'u1', id: 1 };
const RUNNING = 1;
const OFF = 5;

afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

function stepClock(by: number): void {
  const now = Date.now();
  jest.spyOn(Date, 'now').mockReturnValue(now + by);
}

/** Reads the domain while it is in a state. */
async function read(state: number): Promise<DomainFacts | undefined> {
  const daemon = {
    lookup: async () => domain,
    state: async () => ({ state, reason: 0 }),
    hasSaved: async () => false,
    xml: async () => '<domain/>',
    metadata: async () => undefined,
  };
  return readDomain(daemon as unknown as Daemon, domain.uuid, undefined);
}

/** What is known of a host on which the domain is off, and the power states that it reports. */
async function observed(): Promise<{ observations: Observations; host: Host; reported: string[] }> {
  const host = { name: 'alpha', live: true, unreadable: new Map() } as unknown as Host;
  const hosts = new Map([[host.name, host]]);
  const observations = new Observations([host.name], {
    hosts: () => hosts,
    onBroken: () => undefined,
    onUnreadable: () => undefined,
  });
  observations.domain(host, domain.uuid, await read(OFF));
  observations.listed(host);
  observations.track([{ namespace: 'shop', name: 'db', uid: 'm1' }]);
  const reported: string[] = [];
  const sink: WatchSink = {
    changed: ({ status }) => void reported.push(status.powerState),
    deleted: () => undefined,
    synced: () => undefined,
  };
  observations.addSink(sink);
  return { observations, host, reported };
}

test('LIBVIRT-9: a change is reported after the clock was set back', async () => {
  const { observations, host, reported } = await observed();
  stepClock(-DAY);
  observations.domain(host, domain.uuid, await read(RUNNING));
  expect(reported).toEqual(['PoweredOff', 'PoweredOn']);
  observations.close();
});

test('LIBVIRT-9: a reading that began earlier and ended later is dropped, whatever the clock says', async () => {
  const { observations, host, reported } = await observed();
  const earlier = await read(OFF);
  stepClock(-DAY);
  const later = await read(RUNNING);
  observations.domain(host, domain.uuid, later);
  observations.domain(host, domain.uuid, earlier);
  expect(reported).toEqual(['PoweredOff', 'PoweredOn']);
  observations.close();
});

/** A connection on which nothing arrives by itself. */
function silent(): Duplex {
  return new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
}

/** A keepalive message, as the daemon sends it. */
const PONG = writeFrame({
  program: PROGRAMS.keepalive,
  procedure: 2,
  type: MESSAGE_TYPES.event,
  serial: 0,
  status: STATUS.ok,
  body: Buffer.alloc(0),
});

describe('LIBVIRT-5: silence of the daemon', () => {
  let stream: Duplex;
  let client: RpcClient;
  beforeEach(() => {
    jest.useFakeTimers();
    stream = silent();
    client = new RpcClient(stream);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    client.close();
  });

  test('a clock that is set forward closes no connection', async () => {
    jest.setSystemTime(Date.now() + DAY);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(client.closed.aborted).toBe(false);
  });

  test('a clock that is set back does not hide it', async () => {
    jest.setSystemTime(Date.now() - DAY);
    await jest.advanceTimersByTimeAsync(40_000);
    expect(client.closed.reason).toEqual(new Error('nothing came from the daemon for 30 s'));
  });

  test('LIMIT-1: a process that was suspended keeps the connection on which signs of life have arrived', async () => {
    const now = performance.now.bind(performance);
    await jest.advanceTimersByTimeAsync(20_000);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + DAY);
    await jest.advanceTimersByTimeAsync(5_000);
    stream.push(PONG);
    await jest.advanceTimersByTimeAsync(29_000);
    expect(client.closed.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(client.closed.aborted).toBe(true);
  });
});
