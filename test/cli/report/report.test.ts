/**
 * Reports of a real failover: from Temporal, from the record once Temporal has deleted the histories, and from a bundle without any server.
 *
 * Guarantees: G8.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { failoverOf, reportPage, type Page } from '../../../board';
import { readPastRuns } from '../../../bridge';
import { readRecordedPast } from '../../../cli/record';
import { gatherRuns } from '../../../cli/report/gather';
import { workflowId } from '../../../contract';
import type { PastRun } from '../../../insight';
import { groupWithVms, policyManifest } from '../../support/manifests';
import { startSystem, times, type System } from '../../support/system';
import { startTemporal, type TestTemporal } from '../../support/temporal';
import { buildWhenStale, vmgroup, type Result } from '../vmgroup';

jest.setTimeout(240_000);

const NS = 'prod';
const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-report-'));
const inDir = (name: string): string => path.join(dir, name);
let [temporal, system]: [TestTemporal, System] = [] as never;

/** The site: a nested group, then a VM of its own. */
function site(powerState: string, annotations: Record<string, string> = {}): string {
  return groupWithVms({
    namespace: NS,
    name: 'site',
    powerState,
    annotations,
    tiers: [{ members: ['group:shop'] }, { members: ['front'] }],
    more: { powerOffMode: 'Hard' },
  });
}
const SHOP = groupWithVms({
  namespace: NS,
  name: 'shop',
  groupName: 'site',
  tiers: [{ members: ['db'], delay: '1s' }, { members: ['app'] }],
});
const POLICY = policyManifest(NS, 'default', {
  gate: 'Ready',
  retry: { initialInterval: '100ms' },
  targets: { rto: '1m' },
  tiers: [{ tier: 0, targets: { rto: '30s' } }],
});

const run = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<Result> =>
  vmgroup([...args], { cwd: dir, env: { TEMPORAL_ADDRESS: temporal.address, ...env } });
/** No server answers there. */
const AWAY = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
const RECORD = { VMGROUP_RECORD: inDir('record') };

beforeAll(async () => {
  buildWhenStale();
  temporal = await startTemporal();
  const files = {
    'site.yaml': site('PoweredOn', { 'vmgroup.dev/test': 'true' }),
    'shop.yaml': SHOP,
    'policy.yaml': POLICY,
  };
  system = await startSystem(temporal, files, { powerOnTime: 400, readyTime: 600 });
  const rehearsal = await system.outcome(NS, 'site');
  system.write('site.yaml', site('PoweredOff'));
  const off = await system.outcome(NS, 'site', rehearsal.endedAt);
  await system.console.setFaults([{ type: 'TransientError', vm: `${NS}/db`, times: 1 }]);
  system.write('site.yaml', site('PoweredOn'));
  await system.outcome(NS, 'site', off.endedAt);
});
afterAll(async () => {
  await system?.stop();
  await temporal?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** The page of the last failover, as data. */
async function pageOf(): Promise<Page> {
  const id = workflowId(NS, 'site');
  const { timelines, sourceOf } = await gatherRuns(
    { workflowId: id },
    { data: dir, temporal: temporal.address },
  );
  const own = timelines
    .filter((each) => each.run.workflowId === id)
    .sort((a, b) => a.startedAt - b.startedAt);
  const top = own.at(-1);
  if (!top) throw new Error('no run');
  return reportPage({ failover: failoverOf(top, timelines), now: Date.now(), sourceOf });
}

test('times are those of the journal, up to ready; a failed attempt is in it', async () => {
  const page = await pageOf();
  const [tree] = page.trees;
  expect(tree).toMatchObject({ counts: { Done: 3 }, target: { rto: 60_000, verdict: 'Met' } });
  expect(tree?.groups.map(({ name, depth }) => [name, depth])).toEqual([
    ['prod/site', 0],
    ['prod/shop', 1],
  ]);
  const journal = (await system.journal()).filter(({ at }) => at >= (tree?.startedAt ?? Infinity));
  const found = times(journal, NS, 'PoweredOn');
  const rows = tree?.groups.flatMap(({ tiers }) => tiers.flatMap(({ chart }) => chart?.rows ?? [])) ?? [];
  for (const vm of ['db', 'app', 'front']) {
    const [span] = rows.find(({ name }) => name === vm)?.spans ?? [];
    const ready = journal.find(
      (line) => line.type === 'effect' && line.effect === 'Ready' && line.vm === `${NS}/${vm}`,
    );
    expect(span?.powered).toBe(found[vm]?.effect);
    expect(span?.from).toBeLessThanOrEqual(found[vm]?.asked ?? 0);
    expect(span?.to).toBeGreaterThanOrEqual(ready?.at ?? Infinity);
    // The worker sees it at once, and tells Temporal.
    expect((span?.to ?? Infinity) - (ready?.at ?? 0)).toBeLessThan(3_000);
  }
  expect(rows.find(({ name }) => name === 'db')?.failures).toEqual([
    { at: expect.any(Number) as number, text: expect.stringContaining('Transient') as string },
  ]);
  const delay = tree?.groups[1]?.tiers[1]?.chart?.delays[0];
  expect((delay?.to ?? 0) - (delay?.from ?? 0)).toBeGreaterThanOrEqual(1_000);
});

test('vmgroup report writes one file, compared with the rehearsal; vmgroup export -o html gives the same', async () => {
  const written = await run(['report', 'prod/site', '-o', inDir('report.html')]);
  expect(written).toMatchObject({ code: 0, stdout: '' });
  const text = readFileSync(inDir('report.html'), 'utf8');
  expect(text).toContain('All 3 VMs were up after');
  expect(text).toContain('Compared with the last run, a rehearsal');
  expect(text).toMatch(/retried<\/td>\s*<td>1 failed attempt, then up/);
  expect(text).not.toMatch(/<script|src=|href="(?!#|data:)/);
  const { stdout } = await run(['export', 'prod/site', '-o', 'html']);
  const made = /made <time.*?<\/time>/;
  expect(stdout.replace(made, '')).toBe(text.replace(made, ''));
  const rooted = await run(['report', '--root', 'prod/site']);
  expect(rooted.stdout.replace(made, '')).toBe(text.replace(made, ''));
  const nested = await run(['report', 'prod/shop']);
  expect(nested.stdout).toContain('All 2 VMs were up after');
  const csv = await run(['export', 'prod/site', '-o', 'csv']);
  expect(csv.stdout.split('\r\n')[1]).toContain('ExecutionStarted');
});

test('a bundle of the whole failover, by --root and by --since, verifies, and gives the report offline', async () => {
  expect((await run(['record', 'run', '--once'], RECORD)).stdout).toBe('recorded 6 executions, 0 gaps\n');
  const since = await run(['export', '--since', '1h', '-o', inDir('since.json')], RECORD);
  expect([since.code, since.stderr]).toEqual([0, expect.stringContaining('6 runs')]);
  const rooted = await run(['export', '--root', 'prod/site', '-o', inDir('root.json')], RECORD);
  expect([rooted.code, rooted.stderr]).toEqual([0, expect.stringContaining('6 runs')]);
  const later = new Date(Date.now() + 60_000).toISOString();
  expect((await run(['export', '--since', later], RECORD)).stderr).toContain('the record has no such run');
  for (const file of ['since.json', 'root.json']) {
    const verified = await run(['verify', inDir(file)], AWAY);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('6 runs')]);
    const page = await run(['report', '--bundle', inDir(file)], AWAY);
    expect([page.code, page.stderr]).toEqual([0, '']);
    expect(page.stdout).toContain('All 3 VMs were up after');
    expect(page.stdout).toContain(`the bundle ${file}`);
  }
  for (const name of ['site', 'shop']) {
    const group = { namespace: NS, name };
    const recorded = await readRecordedPast({ record: inDir('record') }, group, 'PoweredOn');
    const listed = await readPastRuns(temporal.client, group, 'PoweredOn');
    const ends = ({ startedAt, endedAt }: PastRun): number[] => [startedAt, endedAt];
    expect(recorded.map(ends)).toEqual(listed.map(ends));
    for (const [index, { spans }] of recorded.entries())
      for (const [member, [began, ended]] of Object.entries(spans)) {
        const [from = 0, to = 0] = listed[index]?.spans[member] ?? [];
        // The run notes the result of an activity a moment after the server.
        expect([Math.abs(began - from) < 1_000, Math.abs(ended - to) < 1_000]).toEqual([true, true]);
      }
  }
  const html = await run(['export', '--root', 'prod/site', '-o', 'html'], RECORD);
  expect(html.stdout).toContain('All 3 VMs were up after');
});

test('once Temporal has deleted the histories, the record has them', async () => {
  const service = temporal.client.workflowService;
  const all = temporal.client.workflow.list({ query: `VmGroupRoot = 'site'` });
  for await (const { workflowId: id, runId } of all)
    await service.deleteWorkflowExecution({
      namespace: temporal.client.options.namespace,
      workflowExecution: { workflowId: id, runId },
    });
  await system.until(
    async () => (await run(['report', 'prod/site'])).stderr.includes('there is no run'),
    'no run',
  );
  const page = await run(['report', 'prod/site', '--record', inDir('record')]);
  expect([page.code, page.stderr]).toEqual([0, '']);
  expect(page.stdout).toContain('All 3 VMs were up after');
  expect(page.stdout).toContain('the record</td>');
  expect((await run(['report', 'prod/site', '--record', inDir('record')], AWAY)).code).toBe(0);
  const planned = await run(['plan', path.join(system.dir, 'manifests'), '-o', 'json'], {
    ...AWAY,
    ...RECORD,
  });
  expect(JSON.parse(planned.stdout)).toMatchObject([{ group: 'prod/site', past: { runs: 2 } }]);
});

test('what is missing is named', async () => {
  expect((await run(['report'])).stderr).toContain('no run is named');
  expect((await run(['report', 'prod/site', '--root', 'prod/site'])).stderr).toContain('not both');
  expect((await run(['report', 'prod/other'], RECORD)).stderr).toContain(
    'there is no run vmgroup/prod/other',
  );
  const unknown = 'vmgroup/prod/site/00000000-0000-4000-8000-000000000000';
  expect((await run(['report', unknown])).stderr).toContain(`there is no run ${unknown}`);
  expect((await run(['report', '--bundle', inDir('report.html')])).stderr).toContain('is not a bundle');
});
