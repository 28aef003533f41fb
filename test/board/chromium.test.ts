/**
 * Board and report in a real browser: no error in the console, nothing from elsewhere, changes and clocks as they come.
 *
 * Guarantees: G8.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  boardReader,
  failoverOf,
  reportDocument,
  reportPage,
  runsBefore,
  startBoard,
  timelineOf,
  type BoardServer,
  type RunTimeline,
} from '../../board';
import type { RunEvent } from '../../record';
import type { KnownGroup } from '../../insight';
import { startChromium, type BrowserPage } from '../support/chromium';
import { until } from '../support/until';
import { largeFailover, smallFailover } from './fixtures';
import { largeRun, smallRun, START } from './report-fixtures';

let page: BrowserPage;
let board: BoardServer;
let groups: KnownGroup[] = [];
let failure: Error | undefined;
const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-report-'));
beforeAll(async () => {
  const read = boardReader({
    title: 'board',
    groups: async () => {
      if (failure) throw failure;
      return groups;
    },
  });
  board = await startBoard({ port: 0, read, interval: 50 });
  page = await startChromium();
});
afterAll(async () => {
  await page.close();
  await board.close();
  rmSync(dir, { recursive: true, force: true });
});

const text = (): Promise<string> => page.evaluate<string>('document.body.innerText');

test('a board follows its groups, keeps its clocks running, and asks no other server', async () => {
  groups = smallFailover();
  await page.open(board.url);
  expect(await text()).toContain('3 of 6 VMs are up.');
  const clock = (): Promise<string> => page.evaluate('document.querySelector(".clocks time").textContent');
  const first = await clock();
  await until(async () => (await clock()) !== first);

  const [group] = smallFailover() as [KnownGroup];
  groups = [{ ...group, message: '<b>not bold</b>' }];
  await until(async () => (await text()).includes('<b>not bold</b>'));

  groups = largeFailover(1_000, 24);
  await until(async () => (await text()).includes('24 need an operator'));
  expect(await page.evaluate('document.querySelectorAll(".cell").length')).toBe(1_002);

  failure = new Error('the data folder is gone');
  await until(async () => (await text()).includes('the data folder is gone'));
  failure = undefined;
  await until(async () => !(await text()).includes('the data folder is gone'));

  expect(page.errors).toEqual([]);
  expect(page.requests.filter((url) => !url.startsWith(board.url) && !url.startsWith('data:'))).toEqual([]);
});

test('nothing is wider than a phone', async () => {
  await page.send('Emulation.setDeviceMetricsOverride', {
    width: 390,
    height: 844,
    deviceScaleFactor: 1,
    mobile: true,
  });
  groups = largeFailover(200, 6);
  await page.open(board.url);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
  await page.send('Emulation.clearDeviceMetricsOverride');
});

test.each([320, 390, 1200])(
  'a command breaks between its words only, and is copied whole, at %d pixels',
  async (width) => {
    groups = smallFailover();
    const size = { width, height: 800, deviceScaleFactor: 1, mobile: false };
    await page.send('Emulation.setDeviceMetricsOverride', size);
    await page.open(board.url);
    const commands = await page.evaluate<{ copied: string; broken: string[] }[]>(`(() => {
    const broken = (node) => [...node.data.matchAll(/\\S+/g)].flatMap(({ 0: word, index }) => {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1 ? [word] : [];
    });
    return [...document.querySelectorAll('.attention code')].map((code) => {
      const nodes = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
      const found = [];
      while (nodes.nextNode()) found.push(...broken(nodes.currentNode));
      getSelection().selectAllChildren(code);
      return { copied: getSelection().toString().trim(), broken: found };
    });
  })()`);
    expect(commands).toContainEqual({
      copied: 'vmgroup retry prod/dr-site dr-app-3 --reason TEXT',
      broken: [],
    });
    await page.send('Emulation.clearDeviceMetricsOverride');
  },
);

test.each(['light', 'dark'])('text on a %s screen has the contrast of WCAG AA', async (scheme) => {
  await page.send('Emulation.setEmulatedMedia', {
    features: [{ name: 'prefers-color-scheme', value: scheme }],
  });
  groups = smallFailover();
  await page.open(board.url);
  const ratios = await page.evaluate<Record<string, number>>(`(() => {
    const style = getComputedStyle(document.documentElement);
    const luminance = (name) => {
      const probe = document.createElement('i');
      probe.style.color = style.getPropertyValue(name);
      document.body.append(probe);
      const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map((value) => {
        const part = Number(value) / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (one, other) => {
      const [a, b] = [luminance(one), luminance(other)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const inks = ['--ink', '--muted', '--Done', '--Working', '--Queued', '--Waiting', '--Parked', '--Missing', '--SetAside'];
    return Object.fromEntries(inks.flatMap((ink) => [[ink, ratio(ink, '--panel')], [ink + ' on bg', ratio(ink, '--bg')]]));
  })()`);
  expect(Object.entries(ratios).filter(([, ratio]) => !(ratio >= 4.5))).toEqual([]);
});

/** The report of the first of some runs as a file; its address. */
function reportFile(...runs: RunEvent[][]): string {
  const timelines = runs.map((events) => timelineOf(events));
  const [top] = timelines as [RunTimeline];
  const { lastRun } = runsBefore(top, timelines);
  const page = reportPage({
    failover: failoverOf(top, timelines),
    ...(lastRun && { lastRun: failoverOf(lastRun, timelines) }),
    now: START + 86_400_000,
    sourceOf: () => 'the record',
  });
  const file = path.join(dir, 'report.html');
  writeFileSync(file, reportDocument(page));
  return pathToFileURL(file).href;
}

describe.each([
  ['6 VMs', 'All 6 VMs were up after', 6, () => reportFile(smallRun(), smallRun(-86_400))],
  ['200 VMs', '194 of 200 VMs were up when', 202, () => reportFile(...largeRun(200, 6))],
  ['1,000 VMs', '976 of 1000 VMs were up when', 1_002, () => reportFile(...largeRun(1_000, 24))],
])('the report of %s', (_name, sentence, rows, file) => {
  test('is one file: no error, no script, nothing from elsewhere', async () => {
    const [errors, requests] = [page.errors.length, page.requests.length];
    const url = file();
    await page.open(url);
    expect(await text()).toContain(sentence);
    expect(await page.evaluate('document.querySelectorAll(".chart g > title").length')).toBe(rows);
    expect(await page.evaluate('document.scripts.length')).toBe(0);
    expect(page.errors.slice(errors)).toEqual([]);
    expect(page.requests.slice(requests).filter((each) => each !== url && !each.startsWith('data:'))).toEqual(
      [],
    );
  });

  test('is not wider than a phone, and prints on A4 without anything cut off', async () => {
    await page.send('Emulation.setDeviceMetricsOverride', {
      width: 390,
      height: 844,
      deviceScaleFactor: 1,
      mobile: true,
    });
    await page.open(file());
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    // The width of A4 without the margins, at 96 pixels an inch.
    await page.send('Emulation.setDeviceMetricsOverride', {
      width: 703,
      height: 1_032,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await page.send('Emulation.setEmulatedMedia', { media: 'print' });
    const wide = await page.evaluate<string[]>(
      `[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName)`,
    );
    expect(wide).toEqual([]);
  });

  afterEach(async () => {
    await page.send('Emulation.setEmulatedMedia', { media: '' });
    await page.send('Emulation.clearDeviceMetricsOverride');
  });
});

test('the marks of a report can be told apart without colour', async () => {
  await page.open(reportFile(...largeRun(200, 6)));
  const shapes = await page.evaluate<Record<string, string>>(
    `Object.fromEntries([...document.querySelectorAll('symbol')].map((e) => [e.id, e.innerHTML]))`,
  );
  expect(new Set(Object.values(shapes)).size).toBe(Object.keys(shapes).length);
  expect(await page.evaluate('document.querySelectorAll(".Parked .end").length')).toBeGreaterThanOrEqual(6);
});
