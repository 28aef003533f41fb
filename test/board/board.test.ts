/**
 * The page of a board, and the server that shows it: BOARD-1, BOARD-2, HTML-1, HTML-2, PARTS-1, HUB-1 to HUB-3, SERVE-1 to SERVE-3.
 *
 * Guarantees: G8, G11.
 */
import { get, request, type IncomingMessage } from 'node:http';
import { boardDocument, boardPage, boardReader, renderMain, startBoard, type BoardServer } from '../../board';
import { treesOf, type KnownGroup } from '../../insight';
import { until } from '../support/until';
import { largeFailover, LIVE, memberAt, NOW, runningGroup, smallFailover } from './fixtures';

function pageOf(groups: KnownGroup[], now = NOW): ReturnType<typeof boardPage> {
  return boardPage({ title: 'board', now, freshness: LIVE, groups });
}

function documentOf(groups: KnownGroup[]): string {
  const page = pageOf(groups);
  return boardDocument(page, renderMain(page), 'v');
}

describe('the page', () => {
  test('a parked VM is on top, with class, attempts, error and the command that helps (BOARD-2)', () => {
    expect(pageOf(smallFailover()).attention).toEqual([
      expect.objectContaining({
        group: 'prod/dr-site',
        member: 'dr-app-3',
        what: 'parked: OperationTimeout, 5 attempts',
        message: 'PoweredOn was not observed within 5m',
        commands: expect.arrayContaining(['vmgroup retry prod/dr-site dr-app-3 --reason TEXT']) as string[],
      }),
    ]);
    const text = documentOf(smallFailover());
    expect(text.indexOf('1 needs an operator')).toBeLessThan(text.indexOf('class="band'));
  });

  test('where a failover stands, its target and its counts', () => {
    const [tree] = pageOf(smallFailover()).trees;
    expect(tree).toMatchObject({
      sentence: '3 of 6 VMs are up. 1 waits for an operator. In progress: tier 2 of 3.',
      target: { rto: 1_800_000, verdict: 'Open' },
      counts: { Done: 3, Working: 1, Parked: 1, Waiting: 1 },
    });
    expect(pageOf(smallFailover(), NOW + 1_800_000).trees[0]?.target?.verdict).toBe('Missed');
  });

  test('nested groups stand below their parent, and their VMs count once', () => {
    const [tree, ...others] = pageOf(largeFailover(1_000, 24)).trees;
    expect(others).toEqual([]);
    expect(tree?.groups.map(({ name, depth }) => [name, depth])).toEqual([
      ['prod/dr-site', 0],
      ['prod/erp', 1],
      ['prod/shop', 1],
    ]);
    expect(Object.values(tree?.counts ?? {}).reduce((sum, count) => sum + count, 0)).toBe(1_000);
  });

  test('groups that are each other’s parent are shown too', () => {
    const looped = ['a', 'b'].map((name) =>
      runningGroup(name, [memberAt('x', 0, 'Done')], {}, { spec: { groupName: name === 'a' ? 'b' : 'a' } }),
    );
    expect(
      pageOf(looped)
        .trees.flatMap(({ groups }) => groups.map(({ name }) => name))
        .sort(),
    ).toEqual(['prod/a', 'prod/b']);
  });

  test('a long chain of parents is one tree', () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => ({
      metadata: { namespace: 'prod', name: `g-${index}` },
      spec: { ...(index > 0 && { groupName: `g-${index - 1}` }) },
    }));
    const [tree, ...others] = treesOf(chain);
    expect(others).toEqual([]);
    expect(tree?.map(({ depth }) => depth)).toEqual(chain.map((_, index) => index));
  });

  test('a run that does not answer says so (BOARD-1)', () => {
    const [group] = smallFailover() as [KnownGroup];
    const { progress: _progress, ...run } = group.run as NonNullable<KnownGroup['run']>;
    const [tree] = pageOf([{ ...group, run }]).trees;
    expect(tree?.groups[0]?.warnings).toEqual([expect.stringContaining('does not answer')]);
    expect(tree?.mark).toBe('Parked');
  });

  test('a nested group without a status yet is not shown as up (BOARD-1)', () => {
    const condition = (type: string, status: string) => ({
      type,
      status,
      reason: 'Pending',
      message: 'VirtualMachineGroup "erp" has no status yet',
      lastTransitionTime: new Date(NOW).toISOString(),
    });
    const conditions = [condition('GroupLinked', 'True'), condition('Ready', 'Unknown')];
    const { run: _run, ...group } = runningGroup('site', []);
    const status = {
      members: [{ name: 'erp', kind: 'VirtualMachineGroup' as const, conditions }],
      conditions: [],
    };
    const [tree] = pageOf([{ ...group, phase: 'Pending', status }]).trees;
    expect(tree?.groups[0]?.tiers[0]?.members).toEqual([
      expect.objectContaining({ name: 'erp', mark: 'Waiting', word: 'waiting' }),
    ]);
  });

  test('no text of a platform or operator becomes HTML (HTML-1), or reorders the text around it (HTML-2)', () => {
    const evil = `"><img src=x onerror=alert(1)><!--part:tree-0--></main>&amp;'\u0000\u202e\u2067\u200f`;
    const member = memberAt('db', 0, 'Parked', 1);
    const group = runningGroup(
      'shop',
      [{ ...member, lastError: { class: evil, message: evil, at: NOW } }],
      { message: evil, words: [{ verb: 'abort', actor: evil, reason: evil, at: NOW }] },
      { message: evil },
    );
    const text = documentOf([group]);
    expect(text).not.toMatch(/<img|<!--part/);
    expect(text).not.toContain('\u0000');
    expect(text).not.toMatch(/\p{Bidi_Control}/u);
    expect(text.match(/<\/main>/g)).toHaveLength(1);
    expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });
});

describe('the server', () => {
  let groups: KnownGroup[] = [];
  let reads = 0;
  let failure: Error | undefined;
  let board: BoardServer;
  beforeEach(async () => {
    groups = smallFailover();
    [reads, failure] = [0, undefined];
    const read = boardReader({
      title: 'board',
      groups: async () => {
        reads += 1;
        if (failure) throw failure;
        return groups;
      },
    });
    board = await startBoard({ port: 0, read, interval: 50, allowedHosts: ['board.example.com'] });
  });
  afterEach(() => board.close());

  function answer(path: string, headers = {}, method = 'GET'): Promise<IncomingMessage & { text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, board.url), { headers, method }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(Object.assign(response, { text })));
      });
      sent.on('error', reject).end();
    });
  }

  /** A viewer, and what it has heard. */
  function view(after = ''): { heard: string[]; leave: () => void } {
    const heard: string[] = [];
    const sent = get(new URL(`/events?after=${after}`, board.url), (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => heard.push(chunk));
      response.on('error', () => undefined);
    });
    sent.on('error', () => undefined);
    return { heard, leave: () => sent.destroy() };
  }

  test('twenty viewers cost the reads of one, and no viewers cost none (HUB-1)', async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(reads).toBe(0);
    const viewers = Array.from({ length: 20 }, () => view());
    await until(() => viewers.every(({ heard }) => heard.join('').includes('event: main')));
    const [before, began] = [reads, performance.now()];
    await until(() => reads >= before + 10);
    // One read an interval, whatever the number of viewers: a timer never fires early.
    expect(reads - before).toBeLessThanOrEqual((performance.now() - began) / 50 + 2);
    viewers.forEach(({ leave }) => leave());
    let last = -1;
    await until(async () => {
      const same = reads === last;
      last = reads;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return same && reads === last;
    });
  });

  test('a viewer is sent the parts that changed, and nothing else (HUB-2, PARTS-1)', async () => {
    const { text } = await answer('/');
    const version = /data-version="([^"]+)"/.exec(text)?.[1];
    const { heard, leave } = view(version);
    await until(() => heard.join('').includes('event: beat'));
    const [group] = groups as [KnownGroup];
    groups = [{ ...group, message: 'now something else' }];
    await until(() => heard.join('').includes('now something else'));
    const change = /event: parts\ndata: (.*)/.exec(heard.join(''))?.[1] ?? '{}';
    const { parts } = JSON.parse(change) as { parts: [string, string][] };
    expect(parts.map(([id]) => id)).toEqual(['tree-0-0-h']);
    expect(heard.join('')).not.toContain('event: main');
    leave();
  });

  test('a read that fails leaves the page, which says since when it is old (HUB-3)', async () => {
    const { heard, leave } = view();
    await until(() => heard.join('').includes('event: main'));
    failure = new Error('the data folder is gone');
    await until(() => heard.join('').includes('the data folder is gone'));
    expect((await answer('/')).text).toMatch(/Not up to date since .*the data folder is gone/s);
    failure = undefined;
    await until(async () => !(await answer('/')).text.includes('Not up to date'));
    leave();
  });

  test('without any page the answer says why', async () => {
    failure = new Error('the data folder is gone');
    expect(await answer('/')).toMatchObject({
      statusCode: 503,
      text: expect.stringContaining('the data folder is gone') as string,
    });
  });

  test('it is read only, and answers to no foreign name or site (SERVE-1, SERVE-2)', async () => {
    const status = async (...args: Parameters<typeof answer>): Promise<number | undefined> =>
      (await answer(...args)).statusCode;
    expect(await status('/', {}, 'POST')).toBe(405);
    expect(await status('/', {}, 'HEAD')).toBe(200);
    expect(await status('/groups')).toBe(404);
    expect(await status('/', { host: 'evil.example.com' })).toBe(421);
    expect(await status('/', { host: 'localhost.evil.example.com' })).toBe(421);
    expect(await status('/', { host: 'board.example.com:7090' })).toBe(200);
    expect(await status('/', { host: '[::1]:7090' })).toBe(200);
    expect(await status('/events', { 'sec-fetch-site': 'cross-site' })).toBe(403);
    const { headers } = await answer('/');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
  });
});
