/**
 * From "the last member of a tier has reached its gate" to "the first power call of the next tier", read in the platform's journal; 20 VMs
 * in 4 tiers of 5. Floor: a plain loop over the same activities, in turns with ours.
 */
import type { JournalLine } from '../platforms/simulated';
import { ratioOfMedians, report, rounds, run, spread, withSpread } from './figures';
import { startLab, type Lab } from './lab';
import { planOf, removeVms, runFloor, runOurs, tiersOf, type Tiers } from './runs';

const ROUNDS = rounds(30);
const TIERS = tiersOf(4, 5);

/** Milliseconds of each step from one tier to the next. */
function steps(journal: JournalLine[], namespace: string, tiers: Tiers): number[] {
  const asked: Record<string, number> = {};
  const reached: Record<string, number> = {};
  for (const line of journal) {
    if (line.type === 'call') asked[line.vm] ??= line.at;
    if (line.type === 'effect' && line.effect === 'PoweredOn') reached[line.vm] = line.at;
  }
  const times = (of: Record<string, number>, names: string[] = []): number[] =>
    names.map((name) => of[`${namespace}/${name}`] ?? NaN);
  return tiers
    .slice(1)
    .map((names, index) => Math.min(...times(asked, names)) - Math.max(...times(reached, tiers[index])));
}

async function measure(lab: Lab, namespace: string, which: 'ours' | 'floor'): Promise<number[]> {
  if (which === 'ours') await runOurs(lab, planOf(namespace, TIERS, 50));
  else await runFloor(lab, namespace, TIERS, 50);
  const found = steps(await lab.console.journal(), namespace, TIERS);
  await removeVms(lab, namespace, TIERS);
  return found;
}

async function main(): Promise<void> {
  // Where VMs boot faster than this, a pause of 40 ms in the connection to the server hits some steps of either side and hides the rest.
  const lab = await startLab({ powerOnTime: 200, readyTime: 100 });
  const samples: Record<'ours' | 'floor', number[]> = { ours: [], floor: [] };
  try {
    // The first round warms everything up and is not counted.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const which of round % 2 === 0 ? (['ours', 'floor'] as const) : (['floor', 'ours'] as const)) {
        const found = await measure(lab, `${which}-${round}`, which);
        if (round > 0) samples[which].push(...found);
      }
    }
  } finally {
    await lab.stop();
  }
  const ratio = ratioOfMedians(samples.ours, samples.floor);
  report(`Step from tier to tier, 20 VMs, ${samples.ours.length} steps each`, [
    { name: 'ours', text: `${withSpread(spread(samples.ours), 1)} ms` },
    { name: 'floor', text: `${withSpread(spread(samples.floor), 1)} ms` },
    { name: 'ratio of medians', value: ratio.median, text: withSpread(ratio, 2), bound: 1.15 },
  ]);
}

run(main);
