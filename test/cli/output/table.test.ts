/** Tables fit a terminal: sentences at the end of rows are wrapped, and stand below their row if there is no room next to it. */
import { cut, table, type Column } from '../../../cli/output';

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

test('names and messages with wide characters stand in their columns, and fit', () => {
  const rows = [
    { name: 'ホスト一号機', why: '電源を 入れるよう 求められ ましたが 20秒以内に 入り ませんでした' },
    { name: 'db', why: undefined },
  ];
  expect(table(COLUMNS, rows, 'table', 60)).toBe(
    [
      'NAME           POWER        WHY',
      'ホスト一号機   PoweredOff   電源を 入れるよう 求められ',
      '                            ましたが 20秒以内に 入り',
      '                            ませんでした',
      'db             PoweredOff   -',
      '',
    ].join('\n'),
  );
  expect(cut('ホスト一号機', 12)).toBe('ホスト一号機');
  expect(cut('ホスト一号機', 11)).toBe('ホスト一号…');
  expect(cut('ホスト一号機', 10)).toBe('ホスト一…');
});

test('very many rows make a table', () => {
  const rows = Array.from({ length: 200_000 }, (_, at) => ({ name: `vm-${at}`, why: 'it waits for a host' }));
  expect(table(COLUMNS, rows, 'table', 200).split('\n')).toHaveLength(rows.length + 2);
  expect(table(COLUMNS, rows, 'table', 45).split('\n')).toHaveLength(rows.length + 2);
  expect(table(COLUMNS, rows, 'table', 30).split('\n')).toHaveLength(2 * rows.length + 2);
});
