/** A search that the clock ends is reported wherever its answer goes, as another machine may come to another one. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { placementText } from '../../cli/plan/placement-text';
import { solvePlacement, STOPPED_BY_CLOCK, type PlacementProblem } from '../../placement';
import { SimulatedPlatform } from '../../platforms/simulated';
import { startSimulator } from '../../simulator';
import { notesOf } from '../../platforms/vm-operator/placement-problem';
import { inventory, placement, withFolder } from '../simulator/fixtures';
import { GiB, HOST, hosts, problem, term, vm } from './problems';

const web = { app: 'web' };
const vms = [1, 2, 3].map((n) =>
  vm(`web-${n}`, { labels: web, affinity: [term('AntiAffinity', HOST, web, 'Preferred')] }),
);

/** A problem whose search is stopped before it has begun. */
function stopped(parts: Partial<PlacementProblem>): PlacementProblem {
  return problem({ vms, safetyStop: -1, ...parts });
}

/** 30 VMs that are hard to pack. */
const tight = {
  vms: Array.from({ length: 30 }, (_, n) =>
    vm(`vm-${n}`, { cpus: 3 + (n % 3), memory: (5 - (n % 3)) * GiB }),
  ),
  hosts: hosts(
    Array.from({ length: 11 }, (_, n) => `z/h${n}`),
    11,
    11 * GiB,
  ),
};

test('places: the answer, the plan as text, and the note on each VM of a cluster', () => {
  const asked = stopped({ zones: [{ name: 'east' }] });
  const answer = solvePlacement(asked);
  if (answer.type !== 'Placed') throw new Error(answer.message);
  expect(answer.search.stoppedByClock).toBe(true);
  expect(placementText(answer)).toContain(`\n  ${STOPPED_BY_CLOCK}\n`);
  const notes = [...notesOf(answer)];
  expect(notes.map(([uid]) => uid)).toEqual(vms.map(({ uid }) => uid));
  for (const [, note] of notes)
    expect(note).toBe(`hosts are left to vSphere: ${vms[0]!.affinity[0]!.path}; ${STOPPED_BY_CLOCK}`);
});

test('a search that the clock did not end says nothing of it', () => {
  const answer = solvePlacement(problem({ vms, zones: [{ name: 'east' }] }));
  if (answer.type !== 'Placed') throw new Error(answer.message);
  expect(answer.search).not.toHaveProperty('stoppedByClock');
  expect(placementText(answer)).not.toContain(STOPPED_BY_CLOCK);
  expect([...notesOf(answer).values()].join()).not.toContain(STOPPED_BY_CLOCK);
});

test('no places: the message', () => {
  const answer = solvePlacement(stopped(tight));
  expect(answer).toMatchObject({ type: 'Undecided', search: { stoppedByClock: true } });
  expect('message' in answer && answer.message).toMatch(new RegExp(`; ${STOPPED_BY_CLOCK}$`));
});

test('the journal of the simulated platform, and its answer for each VM that is new', () =>
  withFolder(async (dataDir) => {
    const clock: Pick<PlacementProblem, 'safetyStop'> = {};
    const simulator = await startSimulator({
      dataDir,
      inventory: inventory(),
      solve: (asked) => Promise.resolve(solvePlacement({ ...asked, ...clock })),
    });
    const platform = new SimulatedPlatform(simulator.address);
    const options = { caller: 'test' };
    expect((await platform.place([placement('a')], options))[0]).not.toHaveProperty('note');
    clock.safetyStop = -1;
    const results = await platform.place(
      ['a', 'b', 'c'].map((name) => placement(name)),
      options,
    );
    expect(results.map(({ note }) => note)).toEqual([undefined, STOPPED_BY_CLOCK, STOPPED_BY_CLOCK]);
    await platform.close();
    await simulator.close();
    const journal = readFileSync(path.join(dataDir, 'journal.jsonl'), 'utf8');
    expect(journal.split('\n').filter((line) => line.includes(STOPPED_BY_CLOCK))).toHaveLength(1);
  }));
