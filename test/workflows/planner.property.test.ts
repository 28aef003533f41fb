/**
 * The planner's guarantees over random groups, faults, changes of mind, drift, and words of operators.
 *
 * Guarantees: G1.
 */
import fc from 'fast-check';
import type { PowerState } from '../../api';
import {
  memberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
  OPERATOR_VERBS,
  type OperatorVerb,
} from '../../contract';
import { workOf, type NextSteps } from '../../workflows/planner';
import { progressOf } from '../../workflows/progress';
import type { MemberState, Run } from '../../workflows/state';
import { plan, SECOND, tier, vm } from './plans';
import { World, type Fate } from './world';
import { propertyRuns } from '../support/property-runs';

interface Shape {
  tiers: {
    size: number;
    delay: number;
    offDelay: number | null;
    gate: PlanTier['gate'];
    quorum?: number;
    whenParked: PlanTier['whenParked'];
  }[];
  optional: number[];
  limit: number;
}

type Event =
  | { kind: 'powerState'; powerState: PowerState }
  | { kind: 'delay'; tier: number; delay: number }
  | { kind: 'join'; tier: number }
  | { kind: 'leave'; member: number }
  | { kind: 'missing'; member: number }
  | { kind: 'drift'; member: number; powerState: PowerState }
  | { kind: 'same' }
  | { kind: 'force' }
  | { kind: 'word'; verb: OperatorVerb; member: number };

const shape: fc.Arbitrary<Shape> = fc.record({
  tiers: fc.array(
    fc.record(
      {
        size: fc.integer({ min: 1, max: 4 }),
        delay: fc.constantFrom(0, 0, 5 * SECOND, 30 * SECOND),
        offDelay: fc.constantFrom(null, null, 0, 7 * SECOND),
        gate: fc.constantFrom<PlanTier['gate']>('PoweredOn', 'PoweredOn', 'Ready', 'None'),
        whenParked: fc.constantFrom<PlanTier['whenParked']>('Hold', 'Continue', 'Fail'),
        quorum: fc.integer({ min: 1, max: 4 }),
      },
      { requiredKeys: ['size', 'delay', 'offDelay', 'gate', 'whenParked'] },
    ),
    { minLength: 1, maxLength: 4 },
  ),
  optional: fc.array(fc.nat(15), { maxLength: 2 }),
  limit: fc.constantFrom(1, 2, 50),
});

const powerState = fc.constantFrom<PowerState>('PoweredOn', 'PoweredOn', 'PoweredOff', 'Suspended');
const index = fc.nat(15);
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('powerState' as const), powerState }),
  fc.record({
    kind: fc.constant('delay' as const),
    tier: fc.nat(3),
    delay: fc.constantFrom(0, 3 * SECOND, 20 * SECOND),
  }),
  fc.record({ kind: fc.constant('join' as const), tier: fc.nat(3) }),
  fc.record({ kind: fc.constant('leave' as const), member: index }),
  fc.record({ kind: fc.constant('missing' as const), member: index }),
  fc.record({ kind: fc.constant('drift' as const), member: index, powerState }),
  fc.constant({ kind: 'same' as const }),
  fc.constant({ kind: 'force' as const }),
  fc.record({
    kind: fc.constant('word' as const),
    verb: fc.constantFrom(...OPERATOR_VERBS),
    member: index,
  }),
);

const fates: fc.Arbitrary<Fate[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ takes: fc.constantFrom(1, 500, 2000, 45_000) }) },
    {
      weight: 1,
      arbitrary: fc.record({ failsAfter: fc.constantFrom(1, 3000), class: fc.constant('Permanent') }),
    },
  ),
  { minLength: 7, maxLength: 7 },
);

const scenario = fc.record({
  shape,
  first: powerState,
  fates,
  cancelled: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  events: fc.array(fc.record({ after: fc.constantFrom(0, 1, 400, 2500, 31_000), event }), { maxLength: 8 }),
});

/** A number that depends on the text alone. */
function hash(text: string): number {
  let sum = 7;
  for (const character of text) sum = (sum * 31 + character.charCodeAt(0)) % 1_000_003;
  return sum;
}

/** Plays a scenario; the desired state is edited as a bridge would send it. */
class Play {
  world: World;
  desired: Plan;
  failures: string[] = [];
  skippedDelay = false;
  dropped = new Set<string>();
  /** VMs for which a place was asked, and of those the ones that were not asked for power since. */
  unused = new Set<string>();
  /** Of each stage, after the decision before. */
  private releasedAt: (number | undefined)[] = [];

  constructor(readonly given: typeof scenario extends fc.Arbitrary<infer T> ? T : never) {
    const count = given.fates.length;
    this.world = new World(
      (id) => given.fates[hash(id) % count] ?? { takes: 1 },
      (id) => given.cancelled[hash(id) % given.cancelled.length] ?? false,
      (run, decision) => this.check(run, decision),
    );
    let next = 0;
    const tiers = given.shape.tiers.map(({ size, delay, offDelay, gate, quorum, whenParked }) =>
      tier(
        Array.from({ length: size }, () => {
          const number = next++;
          return vm(`vm-${number}`, given.shape.optional.includes(number) ? { optional: true } : {});
        }),
        {
          powerOnDelay: delay,
          powerOffDelay: offDelay,
          gate,
          whenParked,
          ...(quorum === undefined ? {} : { quorum: Math.min(quorum, size) }),
        },
      ),
    );
    this.desired = plan(tiers, { powerState: given.first });
    this.desired.policy = { ...this.desired.policy, maxConcurrentOperations: given.shape.limit };
  }

  run(): this {
    this.world.send(this.observed());
    for (const { after, event: each } of this.given.events) {
      this.world.pass(this.world.now + after);
      if (this.world.outcome) break;
      this.apply(each);
    }
    this.world.pass();
    return this;
  }

  /** The desired state, with what a bridge would observe now. */
  private observed(driftedName?: string): Plan {
    const { states, since, now } = this.world;
    const tiers = this.desired.tiers.map((each) => ({
      ...each,
      members: each.members.map((member): PlanMember => {
        const state = states[member.name];
        if (state === undefined) return member;
        const observed = {
          powerState: state,
          at: now,
          version: String(now),
          since: since[member.name] ?? 0,
          ready: state === 'PoweredOn',
          placement: { zoneID: 'a' },
        };
        return member.name === driftedName ? { ...member, observed, drifted: true } : { ...member, observed };
      }),
    }));
    return { ...this.desired, tiers };
  }

  private edit(change: (tiers: PlanTier[]) => void, more: Partial<Plan> = {}): void {
    const tiers = this.desired.tiers.map((each) => ({ ...each, members: [...each.members] }));
    change(tiers);
    const generation = this.desired.generation + 1;
    this.desired = { ...this.desired, tiers, generation, revision: `r${generation}`, ...more };
    this.world.send(this.observed());
  }

  private apply(each: Event): void {
    const names = this.desired.tiers.flatMap(({ members }) => members.map(memberKey));
    const pick = (number: number): string => names[number % Math.max(1, names.length)] ?? 'none';
    switch (each.kind) {
      case 'powerState':
        return this.edit(() => undefined, { powerState: each.powerState });
      case 'delay':
        return this.edit((tiers) => {
          const found = tiers[each.tier % tiers.length];
          if (found) found.powerOnDelay = each.delay;
        });
      case 'join':
        return this.edit((tiers) =>
          tiers[each.tier % tiers.length]?.members.push(vm(`vm-new-${this.desired.generation}`)),
        );
      case 'leave':
        return this.edit((tiers) => {
          for (const found of tiers)
            found.members = found.members.filter((member) => memberKey(member) !== pick(each.member));
        });
      case 'missing':
        return this.edit((tiers) => {
          for (const found of tiers) {
            found.members = found.members.map((member) =>
              memberKey(member) === pick(each.member)
                ? { ...member, link: member.link === 'Linked' ? 'NotFound' : 'Linked' }
                : member,
            );
          }
        });
      case 'drift': {
        const name = pick(each.member);
        // While an operation is open, what a person does by hand is decided by which of the two is later: not tried here.
        if (this.world.run?.members[name]?.operation || this.world.states[name] === each.powerState) return;
        this.world.states[name] = each.powerState;
        this.world.since[name] = this.world.now;
        this.world.now += 1;
        this.world.send(this.observed(name), { cause: 'Drift' });
        return;
      }
      case 'same':
        this.world.send(this.observed());
        return;
      case 'force':
        this.desired = { ...this.desired, forceSync: `t${this.world.now}` };
        this.world.send(this.observed(), { cause: 'ForceSync' });
        return;
      case 'word': {
        const named = each.verb === 'retryMember' || each.verb === 'skipMember' || each.verb === 'markReady';
        this.skippedDelay ||= each.verb === 'skipDelay';
        this.world.say(each.verb, named ? pick(each.member) : undefined);
        return;
      }
    }
  }

  private check(run: Run, decision: NextSteps): void {
    for (const id of decision.cancel) this.dropped.add(id.split('/')[1] ?? '');
    const open = Object.values(run.members).filter((state) => state.operation).length;
    this.claim(open <= run.plan.policy.maxConcurrentOperations, `PLANNER-5: ${open} operations are open`);
    for (const start of decision.start) this.checkClaims(start);
    for (const start of decision.start) {
      const { activity, input } = workOf(start);
      if (activity !== 'powerOn' && activity !== 'powerOff' && activity !== 'suspend') continue;
      this.checkStart(run, input.vm.name, input.powerState);
    }
    for (const [position, stage] of run.stages.entries()) {
      const fresh = this.releasedAt[position] === undefined && stage.releasedAt !== undefined;
      if (fresh && decision.start.length > 0) this.checkRelease(run, position);
    }
    this.releasedAt = run.stages.map((stage) => stage.releasedAt);
  }

  /** PLANNER-8. */
  private checkClaims(start: NextSteps['start'][number]): void {
    const { activity, input } = workOf(start);
    switch (activity) {
      case 'place':
        for (const { vm: asked } of input.requests) this.unused.add(asked.name);
        return;
      case 'release': {
        const given = input.vms.map(({ name }) => name).sort();
        this.claim(
          JSON.stringify(given) === JSON.stringify([...this.unused].sort()),
          `PLANNER-8: gives back ${given.join()} of ${[...this.unused].join()}`,
        );
        return;
      }
      case 'powerGroup':
      case 'findEndedGroups':
        return;
      case 'powerOn':
      case 'powerOff':
      case 'suspend':
        this.unused.delete(input.vm.name);
    }
  }

  private checkStart(run: Run, name: string, wanted: PowerState): void {
    const { powerState: desired } = run.plan;
    this.claim(wanted === desired, `${name} is asked for ${wanted} while ${desired} is desired`);
    const forced = run.plan.forceSync !== undefined;
    const unseen =
      this.dropped.has(name) ||
      forced ||
      run.words.some(({ verb }) => verb === 'retryMember') ||
      run.plan.generation > 1;
    this.claim(
      this.world.states[name] !== wanted || unseen,
      `PLANNER-3: ${name} is ${wanted} already and is asked`,
    );
  }

  /** PLANNER-1 and PLANNER-2 at the moment at which a stage is released. */
  private checkRelease(run: Run, position: number): void {
    for (const stage of run.stages.slice(0, position)) {
      for (const number of stage.tiers) this.checkTier(run, run.plan.tiers[number]);
    }
    const stage = run.stages[position];
    const before = run.stages[position - 1];
    if (!stage || !before || this.skippedDelay) return;
    const changes = before.tiers
      .flatMap((number) => run.plan.tiers[number]?.members ?? [])
      .map(({ name }) => this.world.since[name] ?? 0);
    const plain = before.tiers.every((number) => this.isPlain(run, run.plan.tiers[number]));
    const waited = this.world.now - Math.max(0, ...changes);
    this.claim(!plain || waited >= stage.delay, `PLANNER-2: waited ${waited} of ${stage.delay}`);
  }

  private isPlain(run: Run, each: PlanTier | undefined): boolean {
    return (
      each !== undefined &&
      each.gate !== 'None' &&
      each.quorum === undefined &&
      each.members.every(
        (member) => !member.optional && run.members[memberKey(member)]?.reachedAt !== undefined,
      )
    );
  }

  private checkTier(run: Run, each: PlanTier | undefined): void {
    if (!each) return;
    const { powerState: desired } = run.plan;
    const ok = (member: PlanMember): boolean => {
      const state = run.members[memberKey(member)];
      const actual = this.world.states[member.name];
      if (!state || member.optional || state.word || state.leftAlone) return true;
      if (state.parked) return each.whenParked === 'Continue';
      if (member.link !== 'Linked') return desired !== 'PoweredOn';
      if (each.gate === 'None' && desired === 'PoweredOn' && state.operation) return true;
      return actual === desired || (desired === 'Suspended' && actual === 'PoweredOff');
    };
    const good = each.members.filter(ok).length;
    const enough = desired === 'PoweredOn' ? (each.quorum ?? each.members.length) : each.members.length;
    this.claim(
      good >= Math.min(enough, each.members.length),
      `PLANNER-1: ${good} of ${enough} members of an earlier tier are there`,
    );
  }

  private claim(holds: boolean, what: string): void {
    if (!holds) this.failures.push(`at ${this.world.now}: ${what}`);
  }
}

function isThere(play: Play, name: string, desired: Plan['powerState']): boolean {
  const actual = play.world.states[name];
  return actual === desired || (desired === 'Suspended' && actual === 'PoweredOff');
}

const HAS_REASON: MemberState['phase'][] = ['Parked', 'Skipped', 'LeftAlone', 'Missing'];

describe('the planner, after any events', () => {
  it('PLANNER-1 PLANNER-2 PLANNER-3 PLANNER-5 PLANNER-8: order, delays, no needless operation, no more at once than allowed, what is not used is given back', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const play = new Play(given).run();
        expect(play.failures).toEqual([]);
        if (play.world.outcome?.outcome !== 'Cancelled') return;
        expect(play.world.released).toHaveLength(play.unused.size > 0 ? 1 : 0);
      }),
      { numRuns: propertyRuns(3000) },
    );
  });

  it('PLANS-2: every member ends in the last desired state, or with a reason', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const play = new Play(given).run();
        const { run, outcome } = play.world;
        const stopped =
          outcome && outcome.outcome !== 'Converged' && outcome.outcome !== 'ConvergedWithExceptions';
        for (const each of play.desired.tiers) {
          for (const member of each.members) {
            const phase = run?.members[memberKey(member)]?.phase;
            if (isThere(play, member.name, play.desired.powerState) || (phase && HAS_REASON.includes(phase)))
              continue;
            const marked = run?.members[memberKey(member)]?.word?.verb === 'markReady';
            const held = run?.paused === true || phase === 'Pending';
            expect({ member: member.name, phase, ok: marked || stopped || held }).toMatchObject({ ok: true });
          }
        }
      }),
      { numRuns: propertyRuns(3000) },
    );
  });

  it('PLANNER-4: the run ends, or names what it waits for', () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { run, outcome } = new Play(given).run().world;
        if (outcome || !run) return;
        const progress = progressOf(run);
        expect(progress.message).toMatch(/Paused|parked|missing/);
        for (const member of progress.members) {
          if (member.phase !== 'Done' && member.phase !== 'Skipped') expect(member.waitsFor).toBeTruthy();
        }
      }),
      { numRuns: propertyRuns(3000) },
    );
  });
});
