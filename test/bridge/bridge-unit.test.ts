/** The bridge without servers: desired state, the platform and Temporal are in the test's hands. */
import {
  indexManifests,
  memoryStatusStore,
  type Bridge,
  type BridgeEvent,
  type SourceState,
} from '../../bridge';
import { startBridgeWith } from '../../bridge/bridge';
import type { Manifests, VirtualMachineStatus } from '../../api';
import { FakeTemporal } from './fake-temporal';
import { group, manifests, vm } from './fixtures';

const NOTHING: Record<string, VirtualMachineStatus> = {};
const GONE = 'the group was deleted';

interface Started {
  bridge: Bridge;
  events: BridgeEvent[];
  /** Replaces everything that is wanted. */
  want: (next: Manifests) => void;
}

let server: FakeTemporal;
const stops: (() => Promise<void>)[] = [];

beforeEach(() => {
  jest.useFakeTimers();
  server = new FakeTemporal();
});

afterEach(async () => {
  const stopped = Promise.all(stops.splice(0).map((stop) => stop()));
  await jest.advanceTimersByTimeAsync(10_000);
  await stopped;
  jest.useRealTimers();
});

const pass = (time: number): Promise<void> => jest.advanceTimersByTimeAsync(time);

async function start(from: Manifests, { listsAllGroups = true, observed = NOTHING } = {}): Promise<Started> {
  let tell: (state: SourceState) => void = () => undefined;
  const want = (next: Manifests): void =>
    tell({ index: indexManifests(next), problems: [], readAt: Date.now() });
  const events: BridgeEvent[] = [];
  const bridge = await startBridgeWith(server, {
    source: {
      listsAllGroups,
      start: async (onChange) => {
        tell = onChange;
        want(from);
      },
      stop: async () => undefined,
    },
    observations: {
      get: ({ name }) => observed[name],
      onChange: () => () => undefined,
      synced: async () => undefined,
    },
    statusStore: memoryStatusStore(),
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    onEvent: (event) => events.push(event),
  });
  stops.push(() => bridge.stop());
  await pass(500);
  return { bridge, events, want };
}

const members = [vm('a', 'app')];

describe('an open run whose group is gone', () => {
  test('is withdrawn by a bridge that starts, where a member still names the group', async () => {
    server.runs = [{ runId: 'run-1', silent: true }];
    await start(manifests({ virtualMachines: members }));
    expect(server.withdrawn).toEqual([GONE]);
  });

  test('is left alone where the source does not list all groups, and where the group exists', async () => {
    server.runs = [{ runId: 'run-1', silent: true }];
    await start(manifests({ virtualMachines: members }), { listsAllGroups: false });
    await start(
      manifests({ groups: [group('app', [], { powerState: 'PoweredOn' })], virtualMachines: members }),
    );
    expect(server.withdrawn).toEqual([]);
  });

  test('is withdrawn once when the group is deleted, also while no worker takes the signal, and then costs nothing', async () => {
    server.runs = [{ runId: 'run-1', silent: true }];
    const { want, bridge } = await start(
      manifests({ groups: [group('app', [], { powerState: 'PoweredOn' })], virtualMachines: members }),
    );
    want(manifests({ virtualMachines: members }));
    await pass(10 * 60_000);
    bridge.refresh();
    await pass(10 * 60_000);
    expect(server.withdrawn).toEqual([GONE]);
    expect(server.count('describe')).toBeLessThan(100);
    server.close('COMPLETED');
    await pass(60_000);
    const calls = server.calls.length;
    await pass(10 * 60_000);
    expect(server.calls.length).toBe(calls);
  });
});
