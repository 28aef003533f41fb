/**
 * A database that opens its port late: from the moment at which it listens to the first power call of the next tier, with the default probe (every
 * 500 ms). Five groups at once, whose ports open at different moments between two tries.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from '../contract';
import { plan, tier, vm } from '../test/workflows/plans';
import { report, rounds, run, spread, withSpread } from './figures';
import { startLab, type Lab } from './lab';
import { removeVms, runOurs } from './runs';
import { freePort } from '../test/support/ports';

const ROUNDS = rounds(5);
const GROUPS = 5;
/** Milliseconds, those of the manifest's defaults. */
const PROBE = { period: 500, timeout: 1_000, successThreshold: 1 };
/** Milliseconds from power-on until the first port opens, and between it and the next. */
const LATE = 3_000;
const APART = 137;
/** Milliseconds. */
const BOUND = 1_000;
const TIERS = [['db'], ['web']];

function planOf(namespace: string, port: number): Plan {
  const db = vm('db', { gate: 'Probe', probe: { tcpSocket: { port, host: '127.0.0.1' }, ...PROBE } });
  const names = { namespace, name: 'app', root: 'app', uid: namespace, lineage: namespace };
  return plan([tier([db]), tier([vm('web')])], names);
}

async function listen(port: number): Promise<Server> {
  const server = createServer((socket) => void socket.on('error', () => undefined));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** When VMs were first asked to power on. */
async function asked(lab: Lab): Promise<Map<string, number>> {
  const at = new Map<string, number>();
  for (const line of await lab.console.journal())
    if (line.type === 'call' && !at.has(line.vm)) at.set(line.vm, line.at);
  return at;
}

/** Milliseconds from the open port to the call for the next tier. */
async function measure(lab: Lab, namespace: string, after: number): Promise<number> {
  const port = await freePort();
  const running = runOurs(lab, planOf(namespace, port));
  running.catch(() => undefined);
  await sleep(after);
  const early = (await asked(lab)).get(`${namespace}/web`);
  const server = await listen(port);
  const opened = Date.now();
  await running;
  server.close();
  const released = (await asked(lab)).get(`${namespace}/web`) ?? NaN;
  await removeVms(lab, namespace, TIERS);
  return early === undefined ? released - opened : NaN;
}

async function main(): Promise<void> {
  const lab = await startLab({ powerOnTime: 200, readyTime: 100 });
  const taken: number[] = [];
  try {
    // The first run warms everything up and is not counted.
    await measure(lab, 'warm', LATE);
    for (let round = 0; round < ROUNDS; round += 1) {
      const groups = Array.from({ length: GROUPS }, (_, index) =>
        measure(lab, `late-${round}-${index}`, LATE + index * APART),
      );
      taken.push(...(await Promise.all(groups)));
    }
  } finally {
    await lab.stop();
  }
  report(`A port that opens late, ${taken.length} groups`, [
    { name: 'to the next tier', text: `${withSpread(spread(taken), 0)} ms` },
    { name: 'longest', value: Math.max(...taken), unit: 'ms', bound: BOUND },
  ]);
}

run(main);
