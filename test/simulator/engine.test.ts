/** The simulated platform's state machine: property tests over random calls, times, faults and restarts. */
import * as fc from 'fast-check';
import { SIMULATED_FAULT_TYPES, type SimulatedFault, type SimulatedInventory } from '../../api';
import {
  apply,
  consoleChange,
  consoleFailure,
  deletion,
  dueEffects,
  answerPower,
  answerRelease,
  emptyState,
  find,
  reportState,
  type EngineState,
} from '../../simulator/engine';
import { draw, drawTime } from '../../simulator/engine/dice';
import { CONSOLE, type Effect, type JournalEntry, type PowerCall } from '../../platforms/simulated';
import { lateCallMessage } from '../../platforms';
import { GIB, inventory, placement, placeNow, power, vm } from './fixtures';
import { propertyRuns } from '../support/property-runs';

type Step =
  | {
      do: 'power';
      name: string;
      to: PowerCall['operation'];
      id: number;
      sequence: number;
      mode: 'Hard' | 'Soft' | 'TrySoft';
    }
  | {
      do: 'place';
      names: string[];
      cpus: number;
      uid: string;
      caller: string;
      sequence?: number;
      zone?: string;
    }
  | { do: 'release'; names: string[]; uid: string; caller: string; sequence: number }
  | { do: 'wait'; time: number }
  | { do: 'console'; name: string; to: PowerCall['operation'] }
  | { do: 'delete'; name: string };

const names = ['a', 'b', 'c'];
const name = fc.constantFrom(...names);
const uid = fc.constantFrom('1', '2');
const caller = fc.constantFrom('one', 'two');
const to = fc.constantFrom<PowerCall['operation']>('PoweredOn', 'PoweredOff', 'Suspended');

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('power' as const),
      name,
      to,
      id: fc.nat(4),
      sequence: fc.nat(2),
      mode: fc.constantFrom('Hard' as const, 'Soft' as const, 'TrySoft' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        do: fc.constant('place' as const),
        names: fc.uniqueArray(name, { minLength: 1 }),
        cpus: fc.integer({ min: 1, max: 5 }),
        uid,
        caller,
        sequence: fc.nat(3),
        zone: fc.constantFrom('zone-a', 'zone-b'),
      },
      { requiredKeys: ['do', 'names', 'cpus', 'uid', 'caller'] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      names: fc.uniqueArray(name, { minLength: 1 }),
      uid,
      caller,
      sequence: fc.nat(3),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), time: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('console' as const), name, to }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), name }) },
);

const fault: fc.Arbitrary<SimulatedFault> = fc.record(
  {
    type: fc.constantFrom(...SIMULATED_FAULT_TYPES),
    vm: name,
    operation: to,
    times: fc.integer({ min: 1, max: 3 }),
    probability: fc.double({ min: 0, max: 1, noNaN: true }),
    factor: fc.constant(3),
  },
  { requiredKeys: ['type'] },
);

const make: fc.Arbitrary<SimulatedInventory> = fc
  .record({ seed: fc.nat(), faults: fc.array(fault, { maxLength: 3 }) })
  .map((over) =>
    inventory({ ...over, powerOnTime: { min: 5, max: 40 }, readyTime: { mean: 10, deviation: 10 } }, [
      { name: 'host-1', zone: 'zone-a', pool: 'p', cpus: 8, memory: 64 * GIB },
      { name: 'host-2', zone: 'zone-b', pool: 'p', cpus: 4, memory: 16 * GIB },
    ]),
  );

/** Plays steps and returns the journal; `observe` sees the state after every entry. */
function play(
  made: SimulatedInventory,
  steps: readonly Step[],
  observe: (state: EngineState, entry: JournalEntry) => void,
): JournalEntry[] {
  const state = emptyState();
  const journal: JournalEntry[] = [];
  let now = 1;
  let lastUid = '1';
  const commit = (entry: JournalEntry | undefined): void => {
    if (!entry) return;
    journal.push(entry);
    apply(state, entry);
    observe(state, entry);
  };
  const settle = (): void => {
    for (let due = dueEffects(state, now); due.length > 0; due = dueEffects(state, now)) due.forEach(commit);
  };
  commit({ type: 'inventory', at: now, caller: 'test', inventory: made });
  commit(
    placeNow(
      state,
      [placement('a', { vm: vm('a', lastUid) }), placement('b', { vm: vm('b', lastUid) })],
      { caller: 'one', sequence: 1 },
      now,
    ),
  );
  for (const each of [...steps, { do: 'wait' as const, time: 100_000 }]) {
    const record = 'name' in each ? state.vms.get(`prod/${each.name}`) : undefined;
    switch (each.do) {
      case 'wait':
        now += each.time;
        settle();
        break;
      case 'place':
        lastUid = each.uid;
        commit(
          placeNow(
            state,
            each.names.map((vmName) =>
              placement(vmName, {
                vm: vm(vmName, lastUid),
                cpus: each.cpus,
                ...(each.zone && { zone: each.zone }),
              }),
            ),
            { caller: each.caller, ...(each.sequence !== undefined && { sequence: each.sequence }) },
            now,
          ),
        );
        break;
      case 'release':
        commit(
          answerRelease(
            state,
            each.names.map((vmName) => vm(vmName, each.uid)),
            each,
            now,
          ),
        );
        break;
      case 'power': {
        const { to: powerState, mode, id, sequence } = each;
        const over = {
          id: `op-${id}`,
          sequence,
          mode,
          vm: vm(each.name, record?.vm.uid ?? lastUid),
          guestShutdownTimeout: 30,
        };
        commit(answerPower(state, power(each.name, powerState, over), now));
        break;
      }
      case 'console':
        if (record) commit(consoleChange(state, record, each.to, now));
        break;
      case 'delete':
        if (record) commit(deletion(record, CONSOLE, now));
        break;
    }
  }
  return journal;
}

function check(predicate: (made: SimulatedInventory, steps: Step[]) => void): void {
  fc.assert(fc.property(make, fc.array(step, { maxLength: 40 }), predicate), {
    numRuns: propertyRuns(1_000),
  });
}

const releasedBy = (entry: JournalEntry): string[] =>
  entry.type !== 'release'
    ? []
    : entry.vms.filter(({ answer }) => answer === 'Released').map((each) => `${each.vm}/${each.uid}`);
const isPowerEffect = (entry: JournalEntry): entry is Effect =>
  entry.type === 'effect' && entry.effect !== 'Ready';
const isCall = (entry: JournalEntry): entry is PowerCall => entry.type === 'call';

test('PLATFORM-1: an operation id has one effect at most, and is accepted once at most', () => {
  check((made, steps) => {
    const journal = play(made, steps, () => undefined);
    const effects = journal.filter(isPowerEffect).filter((entry) => entry.operationId !== undefined);
    const keys = effects.map(({ vm: key, uid, operationId }) => `${key}/${uid}/${operationId}`);
    expect(new Set(keys).size).toBe(keys.length);
    const accepted = journal.filter(isCall).filter(({ answer }) => answer === 'Accepted');
    const ids = accepted.map(({ vm: key, uid, operationId }) => `${key}/${uid}/${operationId}`);
    expect(new Set(ids).size).toBe(ids.length);
    // Nothing happens that was not asked for.
    for (const key of keys) expect(ids).toContain(key);
  });
});

test('PLATFORM-2: a smaller sequence than one seen for that VM is refused, and nothing else is for that reason', () => {
  check((made, steps) => {
    const greatest = new Map<string, number>();
    for (const call of play(made, steps, () => undefined)) {
      if (call.type === 'release') {
        // A release is an operation too: what was asked before it and comes later is refused.
        for (const each of call.vms.filter(({ answer }) => answer !== 'Kept')) {
          const key = `${each.vm}/${each.uid}`;
          greatest.set(key, Math.max(greatest.get(key) ?? 0, call.sequence));
        }
      }
      if (call.type !== 'call') continue;
      const key = `${call.vm}/${call.uid}`;
      const seen = greatest.get(key);
      expect(call.class === 'Superseded').toBe(seen !== undefined && call.sequence < seen);
      greatest.set(key, Math.max(seen ?? 0, call.sequence));
    }
  });
});

test('ENGINE-1: an effect is that of the last call that was accepted, or done at the console', () => {
  check((made, steps) => {
    const last = new Map<string, string | undefined>();
    for (const entry of play(made, steps, () => undefined)) {
      if (entry.type === 'call' && entry.answer !== 'Refused' && entry.answer !== 'Duplicate') {
        last.set(`${entry.vm}/${entry.uid}`, entry.answer === 'Accepted' ? entry.operationId : undefined);
      }
      if (isPowerEffect(entry) && entry.operationId !== undefined) {
        expect(entry.operationId).toBe(last.get(`${entry.vm}/${entry.uid}`));
        last.delete(`${entry.vm}/${entry.uid}`);
      }
    }
  });
});

test('ENGINE-2: no host is ever overcommitted, a zone pin holds, and a place is kept', () => {
  check((made, steps) => {
    const places = new Map<string, string>();
    play(made, steps, (state, entry) => {
      for (const host of made.hosts) {
        const here = [...state.vms.values()].filter((record) => record.placement.node === host.name);
        expect(here.reduce((sum, record) => sum + record.cpus, 0)).toBeLessThanOrEqual(host.cpus);
        expect(here.reduce((sum, record) => sum + record.memory, 0)).toBeLessThanOrEqual(host.memory);
      }
      if (entry.type === 'deleted') places.delete(`${entry.vm}/${entry.uid}`);
      for (const key of releasedBy(entry)) places.delete(key);
      if (entry.type !== 'place' || entry.answer !== 'Placed') return;
      for (const placed of entry.vms) {
        const key = `${placed.vm}/${placed.uid}`;
        const text = JSON.stringify(placed.placement);
        if (placed.sticky) expect(text).toBe(places.get(key));
        places.set(key, text);
      }
    });
  });
});

test('PLATFORM-4: only room that is promised still is released, by who asked last for it; what he asked before is refused from then on', () => {
  check((made, steps) => {
    /** Who asked last for the place of each VM that nothing has happened to; by name. */
    const promised = new Map<string, { uid: string; caller: string; sequence?: number }>();
    const fences = new Map<string, number>();
    for (const entry of play(made, steps, () => undefined)) {
      switch (entry.type) {
        case 'place': {
          const { sequence } = entry;
          const isLate = entry.vms.some(
            (each) => (sequence ?? Infinity) < (fences.get(`${each.vm}/${each.uid}/${entry.caller}`) ?? 0),
          );
          expect(entry.class === 'Superseded').toBe(isLate);
          for (const each of entry.answer === 'Placed' ? entry.vms : []) {
            const before = promised.get(each.vm);
            if (each.sticky && (!before || (sequence ?? Infinity) < (before.sequence ?? 0))) continue;
            promised.set(each.vm, {
              uid: each.uid,
              caller: entry.caller,
              ...(sequence !== undefined && { sequence }),
            });
          }
          break;
        }
        case 'release':
          for (const each of entry.vms) {
            const claim = promised.get(each.vm);
            const isHis = claim?.uid === each.uid && claim.caller === entry.caller;
            const isFree = isHis && (claim.sequence ?? Infinity) < entry.sequence;
            expect(each.answer === 'Released').toBe(isFree);
            if (isFree) promised.delete(each.vm);
            const fence = `${each.vm}/${each.uid}/${entry.caller}`;
            fences.set(fence, Math.max(fences.get(fence) ?? 0, entry.sequence));
          }
          break;
        case 'deleted':
          promised.delete(entry.vm);
          break;
        case 'call':
        case 'effect':
          if (
            !('class' in entry && entry.class === 'Superseded') &&
            promised.get(entry.vm)?.uid === entry.uid
          )
            promised.delete(entry.vm);
          break;
        case 'answer':
        case 'failed':
        case 'inventory':
          break;
      }
    }
  });
});

test('effects follow each other: each starts where the one before ended, ready only while powered on', () => {
  check((made, steps) => {
    const states = new Map<string, string>();
    let at = 0;
    play(made, steps, (state, entry) => {
      expect(entry.at).toBeGreaterThanOrEqual(at);
      at = entry.at;
      for (const record of state.vms.values()) {
        if (record.ready) expect(record.powerState).toBe('PoweredOn');
        expect(reportState(record, at).status.powerState).toBe(record.powerState);
      }
      if (entry.type === 'deleted') states.delete(`${entry.vm}/${entry.uid}`);
      for (const key of releasedBy(entry)) states.delete(key);
      if (entry.type !== 'effect') return;
      const key = `${entry.vm}/${entry.uid}`;
      expect(entry.from).toBe(states.get(key) ?? 'PoweredOff');
      if (entry.effect !== 'Ready') states.set(key, entry.effect);
      if (entry.effect === 'Ready') expect(entry.from).toBe('PoweredOn');
    });
  });
});

test('an operation that was made to fail keeps its caller: another operation of that one may outrank it', () => {
  const state = emptyState();
  apply(state, { type: 'inventory', at: 1, caller: 'test', inventory: inventory() });
  apply(state, placeNow(state, [placement('a')], { caller: 'one', sequence: 1 }, 1));
  apply(state, answerPower(state, power('a', 'PoweredOn', { id: 'on', caller: 'one' }), 2));
  const record = find(state, vm('a'));
  const failure = { class: 'Transient' as const, message: 'the host went away' };
  const failed = record && consoleFailure(record, failure, 3);
  if (failed) apply(state, failed);
  const after = find(state, vm('a'));
  expect(after && reportState(after, 3).operation).toMatchObject({
    id: 'on',
    caller: 'one',
    phase: 'Failed',
  });
});

test('a restart at any line of the journal gives the same state, through JSON too', () => {
  check((made, steps) => {
    const snapshots: EngineState[] = [];
    const journal = play(made, steps, (state) => snapshots.push(structuredClone(state)));
    const again = emptyState();
    journal.forEach((entry, index) => {
      apply(again, JSON.parse(JSON.stringify(entry)) as JournalEntry);
      expect(again).toEqual(snapshots[index]);
    });
  });
});

test('the same seed and calls give the same times, regardless of other VMs', () => {
  check((made, steps) => {
    const withoutRandomFaults = { ...made, behavior: { ...made.behavior, faults: [] } };
    const alone = (journal: JournalEntry[]): unknown[] =>
      journal
        .filter(isCall)
        .filter((call) => call.vm === 'prod/a')
        .map(({ answer, effectAfter }) => [answer, effectAfter]);
    const shared = steps.map((each): Step =>
      each.do === 'place' || each.do === 'release' ? { do: 'wait', time: 0 } : each,
    );
    const only = shared.filter((each) => !('name' in each) || each.name === 'a');
    const run = (list: Step[]): unknown[] => alone(play(withoutRandomFaults, list, () => undefined));
    expect(run(shared)).toEqual(run(only));
  });
});

describe('tables', () => {
  function placed(over: Parameters<typeof inventory>[0] = {}): EngineState {
    const state = emptyState();
    apply(state, { type: 'inventory', at: 1, caller: 'test', inventory: inventory(over) });
    apply(state, placeNow(state, [placement('a')], { caller: 'test' }, 1));
    return state;
  }

  function bringTo(state: EngineState, powerState: PowerCall['operation']): void {
    const record = find(state, vm('a'));
    if (!record || record.powerState === powerState) return;
    const effect = consoleChange(state, record, powerState, 2);
    if (effect) apply(state, effect);
  }

  test.each<
    [
      string,
      PowerCall['operation'],
      PowerCall['operation'],
      'Hard' | 'Soft' | 'TrySoft',
      number | undefined,
      SimulatedFault[],
    ]
  >([
    ['power on', 'PoweredOff', 'PoweredOn', 'TrySoft', 20, []],
    ['resume', 'Suspended', 'PoweredOn', 'TrySoft', 20, []],
    ['hard', 'PoweredOn', 'PoweredOff', 'Hard', 5, []],
    ['soft', 'PoweredOn', 'PoweredOff', 'Soft', 40, []],
    ['try soft, the guest in time', 'PoweredOn', 'PoweredOff', 'TrySoft', 40, []],
    [
      'soft, the guest ignores it',
      'PoweredOn',
      'PoweredOff',
      'Soft',
      undefined,
      [{ type: 'GuestIgnoresShutdown' }],
    ],
    [
      'try soft, the guest ignores it',
      'PoweredOn',
      'PoweredOff',
      'TrySoft',
      105,
      [{ type: 'GuestIgnoresShutdown' }],
    ],
    [
      'try soft, the guest too late',
      'PoweredOn',
      'PoweredOff',
      'TrySoft',
      115,
      [{ type: 'Slow', factor: 3 }],
    ],
    ['hard does not ask the guest', 'PoweredOn', 'PoweredOff', 'Hard', 5, [{ type: 'GuestIgnoresShutdown' }]],
    ['power off of a suspended one', 'Suspended', 'PoweredOff', 'Soft', 5, []],
    ['suspend', 'PoweredOn', 'Suspended', 'TrySoft', 40, []],
    ['stuck', 'PoweredOff', 'PoweredOn', 'TrySoft', undefined, [{ type: 'Stuck' }]],
    ['slow', 'PoweredOff', 'PoweredOn', 'TrySoft', 80, [{ type: 'Slow', factor: 4 }]],
    [
      'slow, another operation',
      'PoweredOff',
      'PoweredOn',
      'TrySoft',
      20,
      [{ type: 'Slow', factor: 4, operation: 'PoweredOff' }],
    ],
    ['slow, another VM', 'PoweredOff', 'PoweredOn', 'TrySoft', 20, [{ type: 'Slow', factor: 4, vm: 'b' }]],
  ])('%s', (_name, from, powerState, mode, effectAfter, faults) => {
    const state = placed({ powerOffTime: 5, faults });
    bringTo(state, from);
    const call = answerPower(state, power('a', powerState, { mode, guestShutdownTimeout: 100 }), 3);
    expect(call).toMatchObject({ answer: 'Accepted', from });
    expect(call.effectAfter).toBe(effectAfter);
  });

  test('a new uid under an old name is a new VM: the old one is freed', () => {
    const state = placed();
    const again = placeNow(state, [placement('a', { vm: vm('a', 'other') })], { caller: 'test' }, 5);
    expect(apply(state, again)).toEqual({ changed: ['prod/a'], deleted: [vm('a')] });
    expect(find(state, vm('a'))).toBeUndefined();
    expect(state.vms.size).toBe(1);
  });

  test('PLATFORM-4: a released place is free for others, once, and no other VM loses its place', () => {
    const state = placed();
    const shop = { caller: 'shop', sequence: 5 };
    apply(state, placeNow(state, [placement('b'), placement('c')], shop, 2));
    apply(state, answerPower(state, power('b', 'PoweredOn'), 3));
    const call = answerRelease(state, [vm('a'), vm('b'), vm('c'), vm('d')], { ...shop, sequence: 6 }, 4);
    expect(call.vms.map(({ vm: key, answer, message }) => [key, answer, message])).toEqual([
      ['prod/a', 'Kept', 'test asked for its place'],
      ['prod/b', 'Kept', 'it has a power operation, or its power was changed at the console'],
      ['prod/c', 'Released', undefined],
      ['prod/d', 'NoPlace', undefined],
    ]);
    expect(apply(state, call)).toEqual({ changed: [], deleted: [vm('c')] });
    expect(answerRelease(state, [vm('c')], { ...shop, sequence: 6 }, 5).vms).toMatchObject([
      { answer: 'NoPlace' },
    ]);
    expect(placeNow(state, [placement('c')], shop, 5)).toMatchObject({
      answer: 'Refused',
      class: 'Superseded',
      message: lateCallMessage('shop', 'prod/c'),
    });
    expect(placeNow(state, [placement('c')], { caller: 'other' }, 5).answer).toBe('Placed');
    // A later run of the same group counts on the place: what gives it back late does not.
    apply(state, placeNow(state, [placement('c')], { ...shop, sequence: 9 }, 6));
    apply(state, placeNow(state, [placement('c')], { ...shop, sequence: 10 }, 7));
    const late = answerRelease(state, [vm('c')], { ...shop, sequence: 8 }, 8);
    expect(late.vms).toMatchObject([
      { answer: 'Kept', message: 'its place was asked for later, or by an older version' },
    ]);
  });

  test('no room: the message names the VM, what it asks for and what is missing', () => {
    const state = emptyState();
    const hosts = [{ name: 'h', zone: 'zone-a', pool: 'p', cpus: 4, memory: 4 * GIB }];
    apply(state, { type: 'inventory', at: 1, caller: 'test', inventory: inventory({}, hosts) });
    const call = placeNow(state, [placement('a', { cpus: 6, memory: 8 * GIB })], { caller: 'test' }, 1);
    expect(call).toMatchObject({ answer: 'Refused', class: 'NoCapacity' });
    expect(call.message).toBe('there is not enough room: h in zone-a lacks 2 cpus and 4 GiB for prod/a');
    const pinned = placeNow(state, [placement('a', { zone: 'mars' })], { caller: 'test' }, 1);
    expect(pinned.message).toBe('prod/a is pinned to zone mars, where there is no host');
  });

  test('draws are even, and a normal time is never negative', () => {
    const draws = Array.from({ length: 10_000 }, (_, index) => draw(1, 'vm', index));
    expect(draws.reduce((sum, value) => sum + value, 0) / draws.length).toBeCloseTo(0.5, 1);
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...draws)).toBeLessThan(1);
    const times = Array.from({ length: 1_000 }, (_, index) =>
      drawTime({ mean: 10, deviation: 50 }, 1, index),
    );
    expect(Math.min(...times)).toBe(0);
    expect(drawTime({ min: 5, max: 5 }, 1, 'x')).toBe(5);
  });
});
