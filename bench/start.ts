/**
 * From `npm start` in an installed clone to the first VM on, with the parts on the way. Floor: the Temporal server alone, from its start
 * until it answers. They take turns.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalLine } from '../platforms/simulated';
import { buildWhenStale, start } from '../test/cli/vmgroup';
import { startTemporal } from '../test/support/temporal';
import { report, rounds, run, spread, withSpread, type Figure } from './figures';

const ROUNDS = rounds(5);

/** What is seen on the way, in the order in which it is printed. */
const STEPS = [
  'server listens',
  'all parts work',
  'plan sent',
  'VMs placed',
  'first power call',
  'first VM on',
] as const;

/** Milliseconds from the start until each step was seen. */
type Steps = Partial<Record<(typeof STEPS)[number], number>>;

/** Starts `up` as `npm start` does (but for the browser), on data of its own, and waits for the first VM. */
async function measureUp(): Promise<Steps> {
  const data = mkdtempSync(path.join(tmpdir(), 'vmgroup-bench-'));
  const seen: Steps = {};
  const began = Date.now();
  const child = start(['up', 'examples/three-tier-app', '--data', data, '-o', 'json']);
  const note = (step: keyof Steps, at: number): void => void (seen[step] ??= at - began);
  createInterface({ input: child.stdout }).on('line', (text) => {
    const { reason } = JSON.parse(text) as { reason: string };
    if (reason === 'Started') note('all parts work', Date.now());
    if (reason === 'PlanSent') note('plan sent', Date.now());
  });
  child.stderr.resume();
  try {
    while (seen['first VM on'] === undefined) {
      if (Date.now() > began + 60_000 || child.exitCode !== null) throw new Error('no VM came up');
      if (seen['server listens'] === undefined && (await listens(data))) note('server listens', Date.now());
      for (const line of readJournal(data)) {
        if (line.type === 'place') note('VMs placed', line.at);
        if (line.type === 'call') note('first power call', line.at);
        if (line.type === 'effect') note('first VM on', line.at);
      }
      await sleep(10);
    }
    return seen;
  } finally {
    const ended = once(child, 'exit');
    if (child.exitCode === null) {
      child.kill('SIGINT');
      await ended;
    }
    rmSync(data, { recursive: true, force: true });
  }
}

/** Whether the server of this `up` accepts connections. */
async function listens(data: string): Promise<boolean> {
  const file = path.join(data, 'up.json');
  if (!existsSync(file)) return false;
  const record = JSON.parse(readFileSync(file, 'utf8')) as { temporal?: { port?: number } };
  const port = record.temporal?.port;
  if (port === undefined) return false;
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy()).once('connect', () => socket.end());
  });
}

function readJournal(data: string): JournalLine[] {
  const file = path.join(data, 'simulator/journal.jsonl');
  if (!existsSync(file)) return [];
  // The last line may be half written.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as JournalLine);
}

/** Milliseconds until the server alone answers. */
async function measureServer(): Promise<number> {
  const began = Date.now();
  const temporal = await startTemporal({ ui: true });
  const took = Date.now() - began;
  await temporal.stop();
  return took;
}

async function main(): Promise<void> {
  buildWhenStale();
  const ours: Steps[] = [];
  const floor: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await measureUp());
    floor.push(await measureServer());
  }
  const figures = STEPS.map((step): Figure => {
    const times = spread(ours.map((steps) => steps[step] ?? NaN));
    const figure: Figure = {
      name: step,
      value: times.median,
      text: `${withSpread(times, 0)} ms`,
      unit: 'ms',
    };
    return step === 'first VM on' ? { ...figure, bound: 10_000 } : figure;
  });
  const alone = spread(floor);
  report(`From start to the first VM on, ${ROUNDS} rounds`, [
    ...figures,
    { name: 'floor: the server alone answers', text: `${withSpread(alone, 0)} ms` },
    {
      name: 'first power call over floor',
      value: spread(ours.map((steps) => steps['first power call'] ?? NaN)).median / alone.median,
    },
  ]);
}

run(main);
