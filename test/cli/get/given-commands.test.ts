/** The operator commands of a run, as `describe` shows them. */
import { givenCommands } from '../../../cli/get/given-commands';
import type { RecordedCommand } from '../../../contract';

const AT = Date.parse('2026-11-29T06:29:45Z');
const command = (over: Partial<RecordedCommand> = {}): RecordedCommand => ({
  verb: 'pause',
  actor: 'anna',
  reason: 'INC-1',
  at: AT,
  ...over,
});

test('without a command there is no section', () => {
  expect(givenCommands([])).toBe('');
});

test('when, who, what as one writes it, and why; whether the actor is known', () => {
  const text = givenCommands([
    command({ verb: 'markReady', member: 'web-1', known: true }),
    command({ actor: 'unknown' }),
    command({ verb: 'answer', member: 'db', choice: 'retry', reason: 'two\nlines\u001b[31m' }),
  ]);
  expect(text.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['TIME', 'WHO', 'WHAT', 'REASON'],
    ['2026-11-29T06:29:45.000Z', 'anna (known)', 'mark-ready web-1', 'INC-1'],
    ['2026-11-29T06:29:45.000Z', 'unknown', 'pause', 'INC-1'],
    ['2026-11-29T06:29:45.000Z', 'anna (claimed)', 'answer db retry', 'two lines [31m'],
    [''],
  ]);
});

test('the last ten, and how many came before them', () => {
  const many = Array.from({ length: 12 }, (_, at) => command({ reason: `reason ${at}` }));
  const lines = givenCommands(many).trimEnd().split('\n');
  expect(lines).toHaveLength(12);
  expect(lines[1]).toContain('reason 2');
  expect(lines.slice(-2)).toEqual([expect.stringContaining('reason 11'), '… and 2 more before them']);
  expect(givenCommands(many.slice(2))).not.toContain('more before them');
});

test('the rows fit the terminal', () => {
  const text = givenCommands([command({ reason: 'the reason is longer than what is left of the line' })], 78);
  expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(78);
});
