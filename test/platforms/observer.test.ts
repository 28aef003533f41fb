/** The shared watch, on a platform whose stream the test breaks at will. */
import {
  CAPABILITIES,
  Observer,
  type Platform,
  type VirtualMachineState,
  type WatchSink,
} from '../../platforms';
import { vm } from '../simulator/fixtures';
import { until } from '../support/until';

/** A platform that only watches; each watch stays open until the test ends it. */
class ScriptedPlatform implements Platform {
  readonly name = 'scripted';
  readonly capabilities = CAPABILITIES.simulated;
  readonly watches: { sink: WatchSink; end(): void; fail(error: Error): void }[] = [];

  watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.watches.push({ sink, end: resolve, fail: reject });
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
  read = (): Promise<undefined> => Promise.resolve(undefined);
  power = (): Promise<never> => Promise.reject(new Error('not asked here'));
  place = (): Promise<never> => Promise.reject(new Error('not asked here'));
  release = (): Promise<never> => Promise.reject(new Error('not asked here'));
  /** Names of VMs that it may have. */
  readonly unclear = new Set<string>();
  mayHave = ({ name }: { name: string }): boolean => this.unclear.has(name);
  close = (): Promise<void> => Promise.resolve();

  async sink(index: number): Promise<WatchSink> {
    await until(() => this.watches.length > index);
    return this.watches[index]?.sink as WatchSink;
  }
}

function state(name: string, powerState: 'PoweredOn' | 'PoweredOff', uid?: string): VirtualMachineState {
  return { vm: vm(name, uid), status: { powerState, at: 1 } };
}

const never = new AbortController().signal;

async function withObserver(
  use: (platform: ScriptedPlatform, observer: Observer) => Promise<void>,
): Promise<void> {
  const platform = new ScriptedPlatform();
  const observer = new Observer(platform);
  try {
    await use(platform, observer);
  } finally {
    await observer.close();
  }
}

test('OBSERVER-4: what is not reported does not exist only once the platform was read, and where it can tell', () =>
  withObserver(async (platform, observer) => {
    const sink = await platform.sink(0);
    sink.changed(state('a', 'PoweredOn'));
    expect([observer.isKnown(vm('a')), observer.isKnown(vm('b'))]).toEqual([true, false]);
    sink.synced();
    expect([observer.isKnown(vm('a')), observer.isKnown(vm('b'))]).toEqual([true, true]);
    platform.unclear.add('b').add('a');
    expect([observer.isKnown(vm('a')), observer.isKnown(vm('b'))]).toEqual([true, false]);
    platform.unclear.clear();
    platform.watches[0]?.fail(new Error('broken'));
    await platform.sink(1);
    // As before the watch broke.
    expect(observer.isKnown(vm('b'))).toBe(true);
  }));

test('OBSERVER-4: a platform that does not report its VMs is not waited for', async () => {
  const observer = new Observer(new ScriptedPlatform(), { firstLook: 50 });
  let isSynced = false;
  void observer.synced().then(() => (isSynced = true));
  await observer.tried();
  expect([isSynced, observer.isKnown(vm('a'))]).toEqual([false, false]);
  await observer.close();
});

test('OBSERVER-1: a watch that ends, fails or throws is opened again', () =>
  withObserver(async (platform, observer) => {
    (await platform.sink(0)).synced();
    platform.watches[0]?.end();
    await platform.sink(1);
    expect(observer.live).toBe(false);
    platform.watches[1]?.fail(new Error('broken'));
    (await platform.sink(2)).synced();
    expect(observer.live).toBe(true);
    (await platform.sink(2)).changed(state('a', 'PoweredOn'));
    expect(observer.get(vm('a'))?.status.powerState).toBe('PoweredOn');
    // What a watch that was given up still says counts for nothing.
    (await platform.sink(0)).changed(state('a', 'PoweredOff'));
    expect(observer.get(vm('a'))?.status.powerState).toBe('PoweredOn');
  }));

test('OBSERVER-2: a VM that is no longer listed counts as deleted, a VM of a new uid as another one', () =>
  withObserver(async (platform, observer) => {
    const events: string[] = [];
    observer.onChange((event) => events.push(`${event.type} ${event.vm.name} ${event.vm.uid}`));
    const first = await platform.sink(0);
    first.changed(state('a', 'PoweredOn'));
    first.changed(state('b', 'PoweredOn'));
    first.synced();
    const gone = observer.until(vm('a'), () => false, never);
    platform.watches[0]?.end();
    const second = await platform.sink(1);
    second.changed(state('b', 'PoweredOn', 'new'));
    second.synced();
    await expect(gone).rejects.toMatchObject({ failureClass: 'Permanent' });
    expect(observer.list().map((each) => each.vm)).toEqual([vm('b', 'new')]);
    expect(observer.get(vm('b'))).toBeUndefined();
    expect(events).toEqual([
      'changed a uid-a',
      'changed b uid-b',
      'deleted b uid-b',
      'changed b new',
      'deleted a uid-a',
    ]);
  }));

test('OBSERVER-3: an event wakes only those who wait for that VM', () =>
  withObserver(async (platform, observer) => {
    const sink = await platform.sink(0);
    const asked = new Map<string, number>();
    const names = Array.from({ length: 1_000 }, (_, index) => `vm-${index}`);
    const waits = names.map((name) =>
      observer.until(
        vm(name),
        ({ status }) => {
          asked.set(name, (asked.get(name) ?? 0) + 1);
          return status.powerState === 'PoweredOn';
        },
        new AbortController().signal,
      ),
    );
    for (const name of names) sink.changed(state(name, 'PoweredOff'));
    for (const name of names) sink.changed(state(name, 'PoweredOn'));
    await Promise.all(waits);
    expect([...asked.values()].every((count) => count === 2)).toBe(true);
    sink.changed(state('vm-1', 'PoweredOn'));
    expect(asked.get('vm-1')).toBe(2);
  }));

test('a wait ends with its signal, with an error of its predicate, and at once where the state is there', () =>
  withObserver(async (platform, observer) => {
    const sink = await platform.sink(0);
    const stop = new AbortController();
    const stopped = observer.until(vm('a'), () => false, stop.signal);
    stop.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    await expect(observer.until(vm('a'), () => true, stop.signal)).rejects.toThrow('enough');
    sink.changed(state('a', 'PoweredOn'));
    await expect(observer.until(vm('a'), () => true, never)).resolves.toMatchObject({ vm: vm('a') });
    const throwing = observer.until(
      vm('b'),
      () => {
        throw new Error('my own');
      },
      never,
    );
    sink.changed(state('b', 'PoweredOn'));
    await expect(throwing).rejects.toThrow('my own');
  }));

test('a listener that throws does not affect the others', () =>
  withObserver(async (platform, observer) => {
    const heard: string[] = [];
    observer.onChange(() => {
      throw new Error('bad listener');
    });
    const end = observer.onChange((event) => heard.push(event.vm.name));
    const sink = await platform.sink(0);
    sink.changed(state('a', 'PoweredOn'));
    end();
    sink.changed(state('b', 'PoweredOn'));
    expect(heard).toEqual(['a']);
    expect(observer.list()).toHaveLength(2);
  }));

test('synced resolves after the first listing, and at close', async () => {
  const platform = new ScriptedPlatform();
  const observer = new Observer(platform);
  await observer.close();
  await expect(observer.synced()).resolves.toBeUndefined();
  expect(observer.lastEventAt).toBeUndefined();
});
