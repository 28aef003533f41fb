/**
 * What a crash costs. First: kill -9 of the worker in the middle of a delay of 8 s, several groups at once: how far each next tier's first
 * call is from the end of its delay. Second: kill -9 of the Temporal server with 20 runs in the middle of an operation, whose effects come
 * while it is away: how long after the server is back each run takes its next step.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { groupWithVms } from '../test/support/manifests';
import { startInstallation, type Installation } from '../test/support/processes';
import { report, run, spread, withSpread } from './figures';

/** Milliseconds. */
const DELAY = 8_000;
/** Milliseconds for which a part is away. */
const AWAY = 2_000;
const DELAYED = 5;
const RUNS = 20;

const names = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);

/** A group of two tiers with one VM each: `NAME-a`, then `NAME-b`. */
function pair(namespace: string, name: string, delay?: string): string {
  const first = { members: [`${name}-a`], ...(delay !== undefined && { delay }) };
  const tiers = [first, { members: [`${name}-b`] }];
  return groupWithVms({ namespace, name, powerState: 'PoweredOn', tiers });
}

/** When a VM was first asked to power on and when it was on; NaN: not yet. */
function timesOf(installation: Installation, vm: string): { asked: number; on: number } {
  const lines = installation.journal().filter((line) => 'vm' in line && line.vm === vm);
  const asked = lines.find((line) => line.type === 'call');
  const on = lines.find((line) => line.type === 'effect' && line.effect === 'PoweredOn');
  return { asked: asked?.at ?? NaN, on: on?.at ?? NaN };
}

/** Waits until every VM was asked to power on, or is on. */
async function all(installation: Installation, vms: string[], what: 'asked' | 'on'): Promise<void> {
  await installation.until(
    () => (vms.every((vm) => !Number.isNaN(timesOf(installation, vm)[what])) ? true : undefined),
    `${vms.join(', ')} ${what}`,
  );
}

/** Milliseconds between the end of each delay and the first call after it; negative: too early. */
async function killWorker(installation: Installation): Promise<number[]> {
  const groups = names(DELAYED, 'delay');
  for (const name of groups) installation.write(`${name}.yaml`, pair('worker', name, `${DELAY}ms`));
  const first = groups.map((name) => `worker/${name}-a`);
  const second = groups.map((name) => `worker/${name}-b`);
  await all(installation, first, 'on');
  await sleep(DELAY / 4);
  await installation.worker.kill();
  await sleep(AWAY);
  await installation.worker.restart();
  await all(installation, second, 'asked');
  return groups.map((_, index) => {
    const { on } = timesOf(installation, first[index] ?? '');
    return timesOf(installation, second[index] ?? '').asked - (on + DELAY);
  });
}

/** Milliseconds from the moment at which the server is started again to the next power call of each run. */
async function killServer(installation: Installation): Promise<number[]> {
  const groups = names(RUNS, 'crash');
  // Long enough that all of them are in the middle when the server goes.
  await installation.addFaults(groups.map((name) => ({ type: 'Slow', vm: `server/${name}-a`, factor: 16 })));
  for (const name of groups) installation.write(`${name}.yaml`, pair('server', name));
  const first = groups.map((name) => `server/${name}-a`);
  const second = groups.map((name) => `server/${name}-b`);
  await all(installation, first, 'asked');
  await installation.temporal.kill();
  await all(installation, first, 'on');
  await sleep(AWAY);
  const back = Date.now();
  await installation.temporal.restart();
  await all(installation, second, 'asked');
  return second.map((vm) => timesOf(installation, vm).asked - back);
}

async function main(): Promise<void> {
  const installation = await startInstallation({ powerOnTime: '500ms', readyTime: '100ms' });
  try {
    const delays = await killWorker(installation);
    const off = spread(delays);
    const steps = await killServer(installation);
    const next = spread(steps);
    report(`After kill -9`, [
      {
        name: `worker, ${DELAYED} delays of ${DELAY / 1000} s: off the end of the delay`,
        value: Math.max(...delays.map(Math.abs)),
        text: `${withSpread(off, 0)} ms`,
        unit: 'ms',
        bound: 1_000,
      },
      { name: `server, ${RUNS} runs: to the next step`, text: `${withSpread(next, 0)} ms` },
      {
        name: `server, ${RUNS} runs: to the last one's next step`,
        value: Math.max(...steps),
        unit: 'ms',
        bound: 5_000,
      },
    ]);
  } finally {
    await installation.stop();
  }
}

run(main);
