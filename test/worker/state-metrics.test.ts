/** Metrics of how groups and manifests stand. */
import { Registry } from 'prom-client';
import type { Problem } from '../../api';
import type { GroupView } from '../../bridge';
import { statesOf } from '../../cli/serve/states';
import { showStates } from '../../worker';
import { knownGroup } from '../insight/known';
import { plan, SECOND, seen, tier } from '../workflows/plans';
import { World } from '../workflows/world';

const PLAN = plan([tier([seen('a', 'PoweredOff'), seen('b', 'PoweredOff')])]);
const NAMES = ['vmgroup_groups', 'vmgroup_open_runs', 'vmgroup_parked_members', 'vmgroup_manifest_problems'];
const ERROR = { severity: 'Error', file: 'a.yaml', message: 'no' } as Problem;

const viewOf = (world: World): GroupView => knownGroup(world) as unknown as GroupView;

const parked = viewOf(
  new World((id) => (id === 'power-on/a' ? { failsAfter: SECOND, class: 'Permanent' } : { takes: SECOND }))
    .send(PLAN)
    .pass(1_100_000),
);

/** A run that has ended, whose group is not in its desired state. */
const failed: GroupView = {
  ...parked,
  phase: 'Failed',
  run: { ...(parked.run as NonNullable<GroupView['run']>), endedAt: 1 },
};

/** A bridge as the processes have it, and its page. */
class Bridge {
  readonly registry = new Registry();
  views: GroupView[] = [];
  problems: Problem[] = [];
  isLeading = true;

  constructor() {
    const bridge = { views: () => this.views, problems: () => this.problems };
    showStates(this.registry, () => statesOf({ bridge, leading: () => this.isLeading }));
  }

  /** The series of all states. */
  async page(): Promise<string[]> {
    const texts = await Promise.all(NAMES.map((name) => this.registry.getSingleMetricAsString(name)));
    return texts.flatMap((text) => text.split('\n')).filter((line) => line !== '' && !line.startsWith('#'));
  }
}

const NO_PROBLEMS = [
  'vmgroup_manifest_problems{severity="Error"} 0',
  'vmgroup_manifest_problems{severity="Warning"} 0',
];

test('groups and open runs by phase, and parked members by class, as they are at the scrape', async () => {
  const bridge = new Bridge();
  bridge.views = [parked, parked, failed];
  expect(await bridge.page()).toEqual([
    'vmgroup_groups{phase="Waiting"} 2',
    'vmgroup_groups{phase="Failed"} 1',
    'vmgroup_open_runs{phase="Waiting"} 2',
    'vmgroup_parked_members{class="Permanent"} 2',
    ...NO_PROBLEMS,
  ]);
  bridge.views = [failed];
  expect(await bridge.page()).toEqual(['vmgroup_groups{phase="Failed"} 1', ...NO_PROBLEMS]);
});

test('problems of manifests by severity, for as long as they last', async () => {
  const bridge = new Bridge();
  bridge.problems = [ERROR, { ...ERROR, file: 'b.yaml' }];
  expect(await bridge.page()).toEqual([
    'vmgroup_manifest_problems{severity="Error"} 2',
    'vmgroup_manifest_problems{severity="Warning"} 0',
  ]);
  bridge.problems = [];
  expect(await bridge.page()).toEqual(NO_PROBLEMS);
});

test('METRICS-5: of two bridges one shows states, and one that no longer leads shows none', async () => {
  const [one, other] = [new Bridge(), new Bridge()];
  for (const bridge of [one, other]) Object.assign(bridge, { views: [parked], problems: [ERROR] });
  other.isLeading = false;
  const shown = await one.page();
  expect(shown).toContain('vmgroup_parked_members{class="Permanent"} 1');
  expect(await other.page()).toEqual([]);
  [one.isLeading, other.isLeading] = [false, true];
  expect([await one.page(), await other.page()]).toEqual([[], shown]);
});
