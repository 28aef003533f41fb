/**
 * Processes that start while Temporal goes away wait for it.
 *
 * Guarantees: G1.
 */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/ports';
import { startSimulator, type Simulator } from '../../simulator';
import { buildWhenStale, start } from '../cli/vmgroup';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-late-'));
let temporal: TestTemporal;
let simulator: Simulator;
beforeAll(async () => {
  buildWhenStale();
  mkdirSync(path.join(dir, 'manifests'));
  temporal = await startTemporal();
  simulator = await startSimulator({ dataDir: path.join(dir, 'simulator') });
}, 180_000);
afterAll(async () => {
  await simulator.close();
  await temporal.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Process {
  output: () => string;
  exitCode(): number | null;
  /** Status of `/readyz`, with its text. */
  ready(): Promise<string>;
  /** Ends it with SIGTERM; resolves with its exit code. */
  stop(): Promise<number | null>;
}

async function run(parts: 'serve' | 'worker' | 'bridge', proxy: TcpProxy): Promise<Process> {
  const port = await freePort();
  const reach = ['--temporal', proxy.address, '--simulator', simulator.address];
  const child = start(
    [
      ...[parts, ...(parts === 'worker' ? [] : ['manifests', '--data', `data-${port}`])],
      ...reach,
      ...['--health-port', String(port)],
    ],
    { cwd: dir },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    output: () => output,
    exitCode: () => child.exitCode,
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
      return `${answer.status} ${await answer.text()}`;
    },
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
  };
}

/** Temporal is away from the moment at which connection number `at` is opened. */
async function cutAt(at: number): Promise<TcpProxy> {
  return startTcpProxy(temporal.address, (proxy, number) => number === at && proxy.cut());
}

/** The client of a process opens the first connection, its worker the second. */
test.each([
  ['worker', 2],
  ['serve', 2],
  ['bridge', 1],
] as const)(
  '%s: gone at connection %i, it waits, is not ready, and continues',
  async (parts, at) => {
    const proxy = await cutAt(at);
    const started = await run(parts, proxy);
    await until(
      () => started.output().includes('failed to reach Temporal, retrying'),
      'the process to notice',
      { context: started.output },
    );
    expect(await started.ready()).toMatch(/^503 .*no Temporal server answers at 127/);
    await sleep(3_000);
    expect(started.exitCode()).toBeNull();
    proxy.restore();
    await until(() => started.output().includes('"msg":"ready"'), 'the process to be ready', {
      context: started.output,
    });
    await until(async () => (await started.ready()).startsWith('200'), '/readyz to answer 200', {
      context: started.output,
    });
    // One line when the wait begins, one when it ends.
    expect(started.output().match(/failed to reach Temporal, retrying/g)).toHaveLength(1);
    expect(started.output().match(/reached Temporal"/g)).toHaveLength(1);
    expect(await started.stop()).toBe(0);
    await proxy.close();
  },
  120_000,
);

test('a signal ends the wait', async () => {
  const proxy = await cutAt(2);
  const started = await run('serve', proxy);
  await until(
    () => started.output().includes('failed to reach Temporal, retrying'),
    'the process to notice',
    { context: started.output },
  );
  const at = Date.now();
  expect(await started.stop()).toBe(0);
  expect(Date.now() - at).toBeLessThan(10_000);
  await proxy.close();
}, 120_000);

test('connections that break at any moment of the start end nothing', async () => {
  const proxy = await startTcpProxy(temporal.address);
  const started = await run('serve', proxy);
  await until(() => proxy.connections() > 0, 'a connection', { context: started.output });
  for (let times = 0; times < 12; times += 1) {
    proxy.cut();
    await sleep(40);
    proxy.restore();
    await sleep(60 * (times % 5));
    expect({ exit: started.exitCode(), output: started.exitCode() === null ? '' : started.output() }).toEqual(
      {
        exit: null,
        output: '',
      },
    );
  }
  await until(async () => (await started.ready()).startsWith('200'), '/readyz to answer 200', {
    context: started.output,
  });
  expect(await started.stop()).toBe(0);
  await proxy.close();
}, 120_000);
