/**
 * A board in a real browser: no error in the console, nothing from elsewhere, changes and clocks as they come.
 *
 * Guarantees: G8.
 */
import { boardReader, startBoard, type BoardServer } from '../../board';
import type { KnownGroup } from '../../insight';
import { startChromium, type BrowserPage } from '../support/chromium';
import { until } from '../support/until';
import { largeFailover, smallFailover } from './fixtures';

let page: BrowserPage;
let board: BoardServer;
let groups: KnownGroup[] = [];
let failure: Error | undefined;
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
});

const text = (): Promise<string> => page.evaluate<string>('document.body.innerText');

test('a board follows its groups, keeps its clocks going, and asks nobody else', async () => {
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
