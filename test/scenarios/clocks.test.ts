/**
 * G4: no correctness depends on clocks that agree. Each process in turn has a clock that is a day ahead or behind, against the Temporal
 * server and the other processes.
 *
 * Guarantees: G4.
 */
import { groupWithVms } from '../support/manifests';
import { startInstallation, type Installation, type Part } from '../support/processes';
import type { JournalLine } from '../../platforms/simulated';

jest.setTimeout(240_000);

const DAY = 86_400_000;
const DELAY = 2_000;

function shop(powerState: string): string {
  const tiers = [{ members: ['db'], delay: `${DELAY}ms` }, { members: ['app'] }];
  return groupWithVms({ namespace: 'prod', name: 'shop', powerState, tiers });
}

/** Times at which a VM came into a state, by the platform's clock. */
function effects(journal: JournalLine[], vm: string, state: string): number[] {
  return journal.flatMap((line) =>
    line.type === 'effect' && line.vm === vm && line.effect === state ? [line.at] : [],
  );
}

/** How far the clock of a process is off, as it says itself. */
function offBy(installation: Installation, part: Part): number {
  const told =
    part === 'simulator'
      ? installation.journal().at(-1)?.at
      : Date.parse(/"time":"([^"]+)"/.exec(installation[part].output())?.[1] ?? '');
  return (told ?? NaN) - Date.now();
}

const PARTS: Part[] = ['worker', 'bridge', 'simulator'];

describe.each(PARTS)('%s', (part) => {
  it.each([
    ['ahead', DAY],
    ['behind', -DAY],
  ])('a day %s: order, delay, drift and the way back are as ever', async (_where, shift) => {
    const installation = await startInstallation(
      { powerOnTime: '200ms', readyTime: '50ms', powerOffTime: '100ms', guestShutdownTime: '100ms' },
      { [part]: shift },
    );
    try {
      installation.write('shop.yaml', shop('PoweredOn'));
      const on = await installation.outcome('prod', 'shop', 'PoweredOn');
      expect(on).toMatchObject({ outcome: 'Converged', operations: 2 });
      expect(Math.abs(offBy(installation, part) - shift)).toBeLessThan(DAY / 2);
      const [db = NaN] = effects(installation.journal(), 'prod/db', 'PoweredOn');
      const [app = NaN] = effects(installation.journal(), 'prod/app', 'PoweredOn');
      expect(app - db).toBeGreaterThanOrEqual(DELAY);
      expect(app - db).toBeLessThan(DELAY + 30_000);

      await installation.console.power({ namespace: 'prod', name: 'app' }, 'PoweredOff');
      await installation.until(
        () => effects(installation.journal(), 'prod/app', 'PoweredOn').length === 2,
        'drift to be corrected',
      );

      installation.write('shop.yaml', shop('PoweredOff'));
      const off = await installation.outcome('prod', 'shop', 'PoweredOff');
      expect(off).toMatchObject({ outcome: 'Converged', operations: 2 });
      expect(effects(installation.journal(), 'prod/db', 'PoweredOff')).toHaveLength(1);
    } finally {
      await installation.stop();
    }
  });
});
