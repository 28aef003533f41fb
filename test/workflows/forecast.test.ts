/** The dry run. */
import { forecast } from '../../workflows';
import { group, plan, SECOND, seen, tier, vm } from './plans';

const steps = (given: ReturnType<typeof plan>): unknown[] =>
  forecast(given, 1_000_000).steps.map(({ at, action, member }) => [at, action, member ?? '']);

describe('forecast', () => {
  it('tells each step with its earliest time and why', () => {
    const result = forecast(
      plan([tier([vm('db')]), tier([vm('app')], { powerOnDelay: 30 * SECOND })]),
      1_000_000,
    );
    expect(result.steps).toEqual([
      {
        at: 0,
        group: 'shop',
        tier: -1,
        action: 'Place',
        why: 'all VMs together, before the first power-on: db, app',
      },
      { at: 0, group: 'shop', tier: 0, action: 'PowerOn', member: 'db', why: 'first tier' },
      { at: 0, group: 'shop', tier: 1, action: 'Wait', why: 'tier 2 of 2: wait 30s before app' },
      {
        at: 30_000,
        group: 'shop',
        tier: 1,
        action: 'PowerOn',
        member: 'app',
        why: 'tier 1 done, and 30s after it',
      },
    ]);
    expect(result).toMatchObject({ end: 30_000, waits: [] });
  });

  it('goes into nested groups and counts their delays', () => {
    const inner = plan([tier([vm('n-1')], { powerOnDelay: 10 * SECOND })], { name: 'inner', uid: 'u' });
    expect(steps(plan([tier([group(inner)]), tier([vm('b')], { powerOnDelay: 5 * SECOND })]))).toEqual([
      [0, 'Place', ''],
      [0, 'PowerOn', 'inner'],
      [0, 'Wait', ''],
      [10_000, 'PowerOn', 'n-1'],
      [10_000, 'Wait', ''],
      [15_000, 'PowerOn', 'b'],
    ]);
  });

  it('tells a VM from a nested group of the same name', () => {
    const inner = plan([tier([vm('n')])], { name: 'db', uid: 'uid-db' });
    const told = forecast(plan([tier([vm('db')]), tier([group(inner)])]), 0).steps;
    const ofShop = told.filter((step) => step.group === 'shop' && step.member === 'db');
    expect(ofShop.map((step) => [step.tier, step.why])).toEqual([
      [0, 'first tier'],
      [1, 'tier 1 done'],
    ]);
  });

  it('leaves out what is there already', () => {
    expect(steps(plan([tier([seen('a', 'PoweredOn')]), tier([seen('b', 'PoweredOff')])]))).toEqual([
      [0, 'PowerOn', 'b'],
    ]);
  });

  it('walks power-off in reverse', () => {
    const tiers = [
      tier([seen('a', 'PoweredOn')]),
      tier([seen('b', 'PoweredOn')], { powerOffDelay: 10 * SECOND }),
    ];
    expect(steps(plan(tiers, { powerState: 'PoweredOff' }))).toEqual([
      [0, 'Wait', ''],
      [10_000, 'PowerOff', 'b'],
      [10_000, 'PowerOff', 'a'],
    ]);
  });

  it('names what the run would wait for', () => {
    expect(forecast(plan([tier([vm('ghost', { link: 'NotFound' })])]), 0).waits).toEqual(['ghost missing.']);
  });

  it('takes time in proportion to the members', () => {
    const timeOf = (count: number): number => {
      const large = plan([tier(Array.from({ length: count }, (_, at) => vm(`vm-${at}`)))]);
      const times = [1, 2, 3].map(() => {
        const before = process.cpuUsage();
        expect(forecast(large, 0).steps).toHaveLength(count + 1);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      });
      return Math.min(...times);
    };
    timeOf(500);
    // Eight times the members: 8 where it is in proportion, 64 where it is quadratic.
    expect(timeOf(4_000) / timeOf(500)).toBeLessThan(32);
  });
});
