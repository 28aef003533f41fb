/** Tables fit a terminal: sentences at the end of rows are wrapped, and stand below their row if there is no room next to it. */
import { table, type Column } from '../../../cli/output';

interface Row {
  name: string;
  why: string | undefined;
}

const COLUMNS: Column<Row>[] = [
  { head: 'NAME', of: ({ name }) => name },
  { head: 'POWER', of: () => 'PoweredOff' },
  { head: 'WHY', prose: true, of: ({ why }) => why },
];
const ROWS: Row[] = [
  { name: 'db', why: undefined },
  { name: 'app-server-2', why: 'it was asked to power on, and it did not happen within 20 s' },
];

const drawn = (width?: number): string[] => table(COLUMNS, ROWS, 'table', width).split('\n');

test('one line a row where it fits, and without a terminal', () => {
  const whole = [
    'NAME           POWER        WHY',
    'db             PoweredOff   -',
    'app-server-2   PoweredOff   it was asked to power on, and it did not happen within 20 s',
    '',
  ];
  expect(drawn()).toEqual(whole);
  expect(drawn(87)).toEqual(whole);
});

test('wrapped next to the other columns', () => {
  expect(drawn(60)).toEqual([
    'NAME           POWER        WHY',
    'db             PoweredOff   -',
    'app-server-2   PoweredOff   it was asked to power on, and it',
    '                            did not happen within 20 s',
    '',
  ]);
});

test('below the row if it is too narrow for that', () => {
  expect(drawn(45)).toEqual([
    'NAME           POWER',
    'db             PoweredOff',
    'app-server-2   PoweredOff',
    '    it was asked to power on, and it did not',
    '    happen within 20 s',
    '',
  ]);
});

test('a word without an end is left whole', () => {
  const path = 'spec.affinity.vmAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution';
  expect(table(COLUMNS, [{ name: 'db', why: path }], 'table', 60).replace(/\s/g, '')).toContain(path);
});
