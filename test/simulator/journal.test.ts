/** The journal file by itself, and in pages over HTTP. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type JournalEntry, type JournalLine, SimulatorConsole } from '../../platforms/simulated';
import { startSimulator } from '../../simulator';
import { openJournal } from '../../simulator/machine/journal';
import { inventory, withFolder } from './fixtures';

/** Odd line ends within a text are no ends of a line. */
const entry = (at: number): JournalEntry => ({
  type: 'inventory',
  at,
  caller: `\u2028 \u2029 \r ${'x'.repeat(at % 7)} é`,
  inventory: inventory(),
});

async function numbers(lines: AsyncIterable<JournalLine>): Promise<number[]> {
  const found: number[] = [];
  for await (const { n } of lines) found.push(n);
  return found;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test('a page has the lines after a number, before and after a restart', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'journal.jsonl');
    const first = await openJournal(path, () => undefined);
    for (let at = 1; at <= 1_500; at += 1) void first.append(entry(at));
    await first.append(entry(1_501));
    const check = async (journal: typeof first, last: number): Promise<void> => {
      for (const [since, limit] of [
        [0, 3],
        [997, 5],
        [1_000, 2],
        [1_499, 10],
        [0, 10_000],
        [last, 5],
        [last + 1_000_000, 5],
        [5, 0],
      ] as const)
        expect(await numbers(journal.read(since, limit))).toEqual(
          range(since + 1, Math.min(last, since + limit)),
        );
    };
    await check(first, 1_501);
    await first.close();

    const replayed: JournalLine[] = [];
    const second = await openJournal(path, (line) => replayed.push(line));
    expect(replayed).toHaveLength(1_501);
    expect(replayed[8]).toEqual({ n: 9, ...entry(9) });
    for (let at = 1_502; at <= 3_200; at += 1) void second.append(entry(at));
    await second.append(entry(3_201));
    await check(second, 3_201);
    await second.close();
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(3_202);
  }));

test('over HTTP a page has 10,000 lines at most, and the console reads all of them', () =>
  withFolder(async (folder) => {
    const simulator = await startSimulator({ dataDir: folder, inventory: inventory() });
    const console = new SimulatorConsole(simulator.address);
    try {
      const changes = range(1, 10_050).map(() => simulator.setInventory(inventory({ seed: 1 })));
      await Promise.all(changes);
      const page = async (query: string): Promise<number> => {
        const text = await (await fetch(`${simulator.address}/v1/journal?${query}`)).text();
        return text.split('\n').length - 1;
      };
      expect([await page(''), await page('limit=99999'), await page('since=10000&limit=7')]).toEqual([
        10_000, 10_000, 7,
      ]);
      expect(await numbers(console.journalLines())).toEqual(range(1, 10_051));
      expect(await numbers(console.journalLines(10_040))).toEqual(range(10_041, 10_051));
      for (const query of ['limit=-1', 'limit=1.5', 'since=x', 'since=1e999'])
        expect((await fetch(`${simulator.address}/v1/journal?${query}`)).status).toBe(400);
    } finally {
      console.close();
      await simulator.close();
    }
  }));
