/**
 * The size of a written status: FIT-1 to STATUS-3.
 *
 * Guarantees: G2.
 */
import fc from 'fast-check';
import { jsonLength } from '../../../api';
import type { Condition, GroupView, MemberStatus } from '../../../bridge';
import { storedStatus, viewOfObject } from '../../../bridge/kubernetes/stored-status/stored-status';
import { LEAST_STATUS_BYTES, STATUS_BYTES } from '../../../bridge/kubernetes/stored-status/fit-status';
import { propertyRuns } from '../../support/property-runs';
import { anyCharacter } from '../../support/any-character';

const LONE_SURROGATE = /\p{Surrogate}/u;
const TIME = '2026-01-01T00:00:00Z';

function condition(type: Condition['type'], status: Condition['status'], message: string): Condition {
  return { type, status, reason: 'NotSynced', message, lastTransitionTime: TIME, observedGeneration: 1 };
}

interface Shape {
  members: number;
  nameLength: number;
  message: string;
  failing: (at: number) => boolean;
}

function nameOf(at: number, length: number): string {
  const number = `${at}`;
  return `${'x'.repeat(Math.max(0, length - number.length))}${number}`;
}

/** A group after a run in which some members failed, with all that the bridge remembers. */
function viewOf({ members, nameLength, message, failing }: Shape): GroupView {
  const names = Array.from({ length: members }, (_, at) => nameOf(at, nameLength));
  const member = (name: string, at: number): MemberStatus => ({
    name,
    kind: 'VirtualMachine',
    uid: '4f1c2a88-0000-4000-8000-000000000000',
    powerState: 'PoweredOff',
    placement: { zoneID: 'zone-a', node: 'zone-a-host-1', pool: 'zone-a-pool' },
    conditions: [
      condition('GroupLinked', 'True', ''),
      condition('PowerStateSynced', failing(at) ? 'False' : 'True', failing(at) ? message : ''),
      condition('PlacementReady', failing(at) ? 'False' : 'True', failing(at) ? message : 'zone-a'),
    ],
  });
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: 'prod', name: 'app', uid: 'u', generation: 1 },
    spec: { powerState: 'PoweredOn' },
    status: {
      observedGeneration: 1,
      members: names.map(member),
      conditions: [condition('Ready', 'False', message)],
    },
    phase: 'ConvergedWithExceptions',
    message,
    run: {
      workflowId: 'vmgroup/prod/app',
      runId: 'r',
      startedAt: 1,
      endedAt: 2,
      outcome: {
        outcome: 'ConvergedWithExceptions',
        message,
        revision: 'u:1',
        generation: 1,
        lineage: 'u',
        powerState: 'PoweredOn',
        startedAt: 1,
        endedAt: 2,
        operations: members,
        exceptions: names.map((name) => ({ member: `VirtualMachine/${name}`, reason: 'Parked', message })),
        observed: {},
        placements: {},
        released: names,
        corrections: Object.fromEntries(names.map((name) => [name, [1, 2, 3]])),
        words: [],
      },
    },
    sent: {
      digest: 'd',
      revision: 'u:1',
      lineage: 'u',
      powerState: 'PoweredOn',
      forceSync: '',
      drift: Object.fromEntries(names.map((name) => [`child/${name}`, 1])),
      recovered: names,
    },
  };
}

const complete = (status: { conditions: { type: string; message: string }[] }): string | undefined =>
  status.conditions.find(({ type }) => type === 'StatusComplete')?.message;

/** What is hard to cut: each takes other bytes in UTF-8, and others again in JSON. */
const messages = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: anyCharacter, maxLength: 1_200 }),
  fc.constantFrom(
    '😀'.repeat(1_024),
    '"'.repeat(4_096),
    '\u0001'.repeat(4_096),
    'é'.repeat(4_096),
    '\ud83d'.repeat(2_000),
  ),
);

test('FIT-1: 2,000 members with names of 253 characters and errors of 4 KB fit', () => {
  const view = viewOf({ members: 2_000, nameLength: 253, message: 'e'.repeat(4_096), failing: () => true });
  const status = storedStatus(view);
  expect(jsonLength(status)).toBeLessThanOrEqual(STATUS_BYTES);
  expect(status.readyMembers).toBe('0/2000');
  expect(complete(status)).toMatch(/too large for the API server: messages are cut to \d+ bytes/);
});

test('FIT-1: the status of any group fits, and no text of it is cut inside a character', () => {
  fc.assert(
    fc.property(
      fc.record({
        members: fc.integer({ min: 0, max: 400 }),
        nameLength: fc.constantFrom(1, 20, 63, 253),
        message: messages,
        share: fc.integer({ min: 1, max: 5 }),
        bytes: fc.integer({ min: LEAST_STATUS_BYTES, max: 400_000 }),
      }),
      ({ share, bytes, ...shape }) => {
        const status = storedStatus(viewOf({ ...shape, failing: (at) => at % share === 0 }), bytes);
        expect(jsonLength(status)).toBeLessThanOrEqual(bytes);
        // A lone surrogate is one that was there before.
        if (!LONE_SURROGATE.test(shape.message)) expect(status.message).not.toMatch(LONE_SURROGATE);
      },
    ),
    { numRuns: propertyRuns(60) },
  );
});

test('FIT-2: messages are cut evenly, and short ones stay whole', () => {
  const view = viewOf({
    members: 1_000,
    nameLength: 40,
    message: 'e'.repeat(4_096),
    failing: (at) => at % 2 === 0,
  });
  const status = storedStatus(view);
  const lengths = status.members.flatMap(({ conditions }) => conditions.map(({ message }) => message.length));
  const cut = new Set(lengths.filter((length) => length > 6));
  expect(cut.size).toBe(1);
  expect(Math.max(...cut)).toBeGreaterThanOrEqual(100);
  expect(lengths.filter((length) => length === 6)).toHaveLength(500);
  expect(status.members).toHaveLength(1_000);
  expect(jsonLength(status)).toBeGreaterThan(0.95 * STATUS_BYTES);
});

test('FIT-2: members are the last to be left out, those at the end of the boot order first', () => {
  const view = viewOf({ members: 1_000, nameLength: 63, message: 'e'.repeat(500), failing: (at) => at < 10 });
  const status = storedStatus(view, 100_000);
  expect(jsonLength(status)).toBeLessThanOrEqual(100_000);
  expect(status.members.length).toBeGreaterThan(200);
  expect(status.members.map(({ name }) => name)).toEqual(
    view.status.members.slice(0, status.members.length).map(({ name }) => name),
  );
  expect(complete(status)).toContain(
    `the last ${1_000 - status.members.length} of 1000 members are left out`,
  );
});

test('FIT-3: a status that fits says nothing, and reading one back leaves the condition out', () => {
  const small = viewOf({ members: 3, nameLength: 10, message: 'm', failing: () => true });
  expect(complete(storedStatus(small))).toBeUndefined();
  const large = viewOf({ members: 2_000, nameLength: 63, message: 'e'.repeat(500), failing: () => true });
  const status = storedStatus(large);
  expect(complete(status)).toBeDefined();
  const read = viewOfObject({ metadata: large.metadata, spec: large.spec, status });
  expect(read?.status.conditions.map(({ type }) => type)).toEqual(['Ready']);
});

test('a message is cut between characters', () => {
  const view = viewOf({
    members: 1,
    nameLength: 5,
    message: `${'x'.repeat(4_092)}${'😀'.repeat(4)}`,
    failing: () => true,
  });
  expect(storedStatus(view).message).toBe(`${'x'.repeat(4_092)}...`);
});
