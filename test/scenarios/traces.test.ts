/**
 * Traces of OpenTelemetry: from the change of a spec to each power operation, in a receiver of OTLP in this process (TRACE-1, TRACE-2, TRACE-3). They are
 * off unless a receiver is named, and a run that was traced replays like any other.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../support/ports';
import { replayHistories } from '../../worker';
import { buildWhenStale } from '../cli/vmgroup';
import { groupWithVms } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { workflowBundle } from '../support/workflow-bundle';

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: { stringValue?: string } }[];
}

interface Export {
  resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
}

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-traces-'));
const spans: Span[] = [];
let requests = 0;
let receiver: Server;
let endpoint: string;
let temporal: TestTemporal;
let simulator: Command;

beforeAll(async () => {
  buildWhenStale();
  receiver = createServer((request, response) => {
    let text = '';
    requests += 1;
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(text) as Export;
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  temporal = await startTemporal();
  endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const port = String(await freePort());
  simulator = await startCommand(
    ['simulator', 'run', '--data', 'simulator', '--port', port],
    dir,
    /^http:.*\n/m,
  );
}, 120_000);
afterAll(async () => {
  await simulator.stop();
  await temporal.stop();
  receiver.closeAllConnections();
  await new Promise((closed) => receiver.close(closed));
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** Serves a group until its run has ended, and stops. */
async function serveOne(namespace: string, env: NodeJS.ProcessEnv): Promise<void> {
  const tiers = [{ members: ['db'] }, { members: ['web'] }];
  mkdirSync(path.join(dir, namespace));
  writeFileSync(
    path.join(dir, namespace, 'group.yaml'),
    groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers }),
  );
  const reach = ['--temporal', temporal.address, '--simulator', simulator.output().split('\n')[0] ?? ''];
  const args = ['serve', namespace, ...reach, '--data', `${namespace}-data`];
  const serving = await startCommand(args, dir, /"msg":"ready"/, env);
  const handle = temporal.client.workflow.getHandle(`vmgroup/${namespace}/app`);
  await until(
    async () => (await handle.describe().catch(() => undefined))?.status.name === 'COMPLETED',
    'the run to end',
    { seconds: 60, context: () => serving.output().slice(-2_000) },
  );
  await serving.stop();
}

const attribute = ({ attributes }: Span, name: string): string | undefined =>
  attributes.find(({ key }) => key === name)?.value.stringValue;

/** The spans from one up to the root of its trace. */
function pathOf(span: Span): Span[] {
  const parent = spans.find(
    ({ traceId, spanId }) => traceId === span.traceId && spanId === span.parentSpanId,
  );
  return parent ? [span, ...pathOf(parent)] : [span];
}

test('one trace leads from the change of a spec to each power operation', async () => {
  await serveOne('traced', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  await until(() => spans.filter(({ name }) => name === 'RunActivity:powerOn').length === 2, 'the spans');
  for (const member of ['db', 'web']) {
    const powerOn = spans.find((span) => attribute(span, 'vmgroup.member') === member) as Span;
    const [, ...above] = pathOf(powerOn);
    expect(above.map(({ name }) => name)).toEqual([
      'SignalWithStartWorkflow:virtualMachineGroup',
      'SpecChanged traced/app',
    ]);
    const root = above.at(-1) as Span;
    expect(attribute(root, 'vmgroup.group')).toBe('app');
    expect(attribute(root, 'vmgroup.revision')).toMatch(/^[0-9a-f]{12}$/);
    expect(attribute(powerOn, 'vmgroup.namespace')).toBe('traced');
    expect(BigInt(powerOn.endTimeUnixNano) > BigInt(root.startTimeUnixNano)).toBe(true);
    // TRACE-3: the call to the platform is under its activity.
    const call = spans.find((span) => attribute(span, 'vmgroup.vm') === `traced/${member}`) as Span;
    expect(call).toMatchObject({ name: 'Platform:power', parentSpanId: powerOn.spanId });
    expect(attribute(call, 'vmgroup.operation')).toContain(member);
    expect(attribute(call, 'vmgroup.class')).toBe('None');
  }
  const place = spans.find(({ name }) => name === 'Platform:place') as Span;
  expect(pathOf(place)[1]?.name).toBe('RunActivity:place');
}, 120_000);

test('TRACE-1: a history with trace contexts replays', async () => {
  const workflowId = 'vmgroup/traced/app';
  const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  expect(JSON.stringify(history)).toContain('_tracer-data');
  const results = await replayHistories([{ name: 'traced', workflowId, history }], await workflowBundle());
  expect(results).toEqual([{ name: 'traced' }]);
}, 60_000);

test('without a receiver nothing is traced, and histories have no trace contexts', async () => {
  const before = requests;
  await serveOne('plain', {});
  expect(requests).toBe(before);
  const history = await temporal.client.workflow.getHandle('vmgroup/plain/app').fetchHistory();
  expect(JSON.stringify(history)).not.toContain('_tracer-data');
}, 120_000);

test('TRACE-2: a receiver that does not answer changes nothing', async () => {
  await serveOne('away', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
}, 120_000);
