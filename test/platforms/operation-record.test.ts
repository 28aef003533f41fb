/** The record of the last operation on a VM. */
import * as fc from 'fast-check';
import {
  earlierIds,
  MAX_RECORD,
  names,
  outranks,
  readRecord,
  writeRecord,
  type OperationRecord,
} from '../../platforms/tracked';
import { propertyRuns } from '../support/property-runs';

const UUID = '6f1c9f3e-0000-4000-8000-000000000001';
const record: OperationRecord = {
  id: 'run/db/1',
  sequence: 7,
  to: 'PoweredOn',
  caller: 'vmgroup/prod/shop',
  at: 1_700_000_000_000,
  guest: 0,
  earlier: [],
};

test('a record is read as it was written', () => {
  fc.assert(
    fc.property(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 60 }),
        sequence: fc.nat(),
        to: fc.constantFrom('PoweredOn' as const, 'PoweredOff' as const, 'Suspended' as const),
        caller: fc.string({ maxLength: 60 }),
        at: fc.nat(),
        guest: fc.nat(),
        earlier: fc.array(fc.string({ maxLength: 12 }), { maxLength: 3 }),
      }),
      (any) => {
        expect(readRecord(writeRecord(any, UUID), UUID)).toEqual(any);
      },
    ),
    { numRuns: propertyRuns(200) },
  );
});

test('of two operations of one sequence the one that names the other is newer, whatever the clocks say', () => {
  const next = { ...record, id: 'run/db/1~2', earlier: earlierIds(record, 7), at: record.at - 3_600_000 };
  expect([outranks(next, record), outranks(record, next), outranks(next, next)]).toEqual([
    true,
    false,
    false,
  ]);
  const unrelated = { ...record, id: 'other', at: record.at + 1 };
  expect([outranks(unrelated, record), outranks(record, unrelated)]).toEqual([true, false]);
  const later = { ...record, id: 'run/db/2', sequence: 8, at: 0 };
  expect([outranks(later, next), outranks(next, later)]).toEqual([true, false]);
});

test('TRACKED-4: a record of another VM, and what is no record, does not count', () => {
  const text = writeRecord(record, UUID);
  expect(readRecord(text, 'another')).toBeUndefined();
  const others = [
    undefined,
    '',
    '{',
    'null',
    '[]',
    '7',
    text.replace('"seq":7', '"seq":1e300'),
    text.replace('"seq":7', '"seq":-1'),
    text.replace('PoweredOn', 'constructor'),
    text.replace('run/db/1', 'x'.repeat(MAX_RECORD)),
  ];
  for (const each of others)
    expect({ each, read: readRecord(each, UUID) }).toEqual({ each, read: undefined });
});

test('PLATFORM-1: ids of the same sequence are remembered, as many as there is room for', () => {
  let last = record;
  for (let round = 2; round <= 100; round += 1) {
    const next = { ...record, id: `run/db/1~${round}`, earlier: earlierIds(last, record.sequence) };
    const read = readRecord(writeRecord(next, UUID), UUID);
    if (!read) throw new Error('not read');
    expect(names(read, last.id)).toBe(true);
    last = read;
  }
  expect(names(last, 'run/db/1~90')).toBe(true);
  expect(names(last, 'run/db/2')).toBe(false);
  expect(earlierIds(last, record.sequence + 1)).toEqual([]);
});

test('an id that no server keeps is refused', () => {
  expect(() => writeRecord({ ...record, id: 'x'.repeat(MAX_RECORD) }, UUID)).toThrow(RangeError);
});
