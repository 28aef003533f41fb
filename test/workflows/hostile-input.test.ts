/**
 * RUN-4, OPERATIONS-1, G3: whatever is sent to a run or answered to it has no effect if it cannot be read, and never throws.
 *
 * Guarantees: G3.
 */
import fc from 'fast-check';
import { nextSteps } from '../../workflows/planner';
import { attemptReported, operationsEnded, pauseReported } from '../../workflows/operations';
import { placed, placementFailed, placesUnconfirmed, released } from '../../workflows/placing';
import { detailsOf, progressOf } from '../../workflows/progress';
import { readFailure, readOperation, readPlaces, readRelease } from '../../workflows/results';
import { begin, receivePlan } from '../../workflows/plans';
import { parse, type Inputs } from '../../workflows/schemas';
import { carried, unpacked } from '../../workflows/carried-run';
import { membersOf, withdrawn, type Run } from '../../workflows/state';
import { refusalOf } from '../../workflows/command-checks';
import { applyCommand } from '../../workflows/operator-commands';
import { OPERATOR_VERBS, type OperatorCommand, type Plan } from '../../contract';
import { propertyRuns } from '../support/property-runs';
import { group, plan, seen, tier, vm } from './plans';

const NOW = 1_700_000_000_000;
const uses = (): boolean => true;

function shop(more: Partial<Plan> = {}): Plan {
  const nested = plan([tier([vm('in-1')])], { name: 'inner', uid: 'uid-inner', root: 'shop' });
  return plan(
    [
      tier([vm('constructor'), seen('db', 'PoweredOff')]),
      tier([group(nested), vm('web', { optional: true })]),
    ],
    more,
  );
}

function running(): Run {
  return nextSteps(begin({ plan: shop(), cause: 'SpecChanged' }, NOW), NOW).run;
}

/** Well-formed inputs, to be damaged. */
const valid = {
  applyPlan: { plan: shop(), cause: 'SpecChanged', digest: 'd' },
  cleanUp: { plan: shop(), runId: 'r', actor: 'anna', reason: 'x', message: 'Terminated by anna: x' },
  withdraw: { reason: 'the group was deleted' },
  attemptFailed: {
    activityId: 'place/shop',
    attempt: { attempt: 1, at: NOW, class: 'Transient', message: 'no answer' },
  },
  activityPaused: { activityId: 'power-on/db', paused: { at: NOW, by: 'alice', reason: 'wait' } },
  relay: { verb: 'pause', actor: 'alice', reason: 'wait', at: NOW },
  power: { operation: 'power-on/db@1', status: { powerState: 'PoweredOn', at: NOW }, acted: true },
  place: {
    operation: 'place/shop@1',
    results: [{ vm: { namespace: 'production', name: 'db', uid: 'u' }, placement: { zoneID: 'z' } }],
  },
  release: { operation: 'release/shop', free: [{ namespace: 'production', name: 'db', uid: 'u' }] },
  cancellation: { identity: 'alice', reason: '' },
  giveUp: { failures: [], recorded: { sequence: 5, caller: 'vmgroup/production/shop' } },
} as const;

/** JSON that is like the given value, damaged somewhere. */
function damaged(value: unknown): fc.Arbitrary<unknown> {
  return fc
    .tuple(
      fc.nat(400),
      fc.oneof(fc.jsonValue(), fc.constantFrom(null, undefined, {}, [], -1, 1e300, '', 'constructor')),
    )
    .map(([at, put]) => {
      let left = at;
      const damage = (each: unknown): unknown => {
        left -= 1;
        if (left < 0) {
          left = Infinity;
          return put;
        }
        if (Array.isArray(each)) return each.map(damage);
        if (typeof each !== 'object' || each === null) return each;
        return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, damage(inner)]));
      };
      return damage(value);
    });
}

const kinds = Object.keys(valid) as (keyof typeof valid)[];
const message = fc
  .constantFrom(...kinds)
  .chain((kind) =>
    fc.tuple(fc.constant(kind), fc.oneof(fc.jsonValue(), damaged(valid[kind]), fc.constant(undefined))),
  );
const command = fc.tuple(
  fc.constantFrom(...OPERATOR_VERBS),
  fc.oneof(
    fc.jsonValue(),
    fc.record({
      actor: fc.string(),
      reason: fc.string(),
      member: fc.constantFrom('constructor', 'db', 'web', 'x'),
    }),
  ),
);

/** The run after an input, handled as the workflow does. */
function handled(run: Run, kind: keyof typeof valid, input: unknown): Run {
  const parsed = parse(kind, input);
  if ('why' in parsed) {
    expect(parsed.why).not.toBe('');
    return answered(run, input);
  }
  const read = parsed.value as Inputs[keyof Inputs];
  switch (kind) {
    case 'applyPlan':
      return receivePlan(run, read as Inputs['applyPlan'], NOW, uses);
    case 'withdraw':
      return withdrawn(run, (read as Inputs['withdraw']).reason);
    case 'attemptFailed':
      return attemptReported(run, read as Inputs['attemptFailed']);
    case 'activityPaused':
      return pauseReported(run, read as Inputs['activityPaused']);
    default:
      return answered(run, input);
  }
}

/** The run after every open activity was answered with this. */
function answered(run: Run, raw: unknown): Run {
  const { start, run: decided } = nextSteps(run, NOW, uses);
  let next = decided;
  for (const each of start) {
    const { activityId } = each;
    const work = each.activity === 'confirm' ? each.input.activity : each.activity;
    if (work === 'place') {
      const read = readPlaces(each, raw, uses);
      next =
        'result' in read ? placed(next, activityId, read.result, NOW) : placesUnconfirmed(next, activityId);
      next = placementFailed(next, activityId, readFailure('', '', raw));
    } else if (work === 'release') {
      const read = readRelease(each, raw, uses);
      const answer = 'result' in read ? { free: read.result } : { failure: read.unconfirmed };
      next = released(next, activityId, answer);
    } else next = operationsEnded(next, [{ activityId, at: NOW, ...readOperation(each, raw, uses) }], uses);
  }
  return next;
}

test('no message, result or command makes a run throw', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          message.map((each) => ({ message: each })),
          command.map((each) => ({ command: each })),
        ),
        {
          maxLength: 12,
        },
      ),
      (inputs) => {
        let run = running();
        for (const input of inputs) {
          if ('message' in input) run = handled(run, ...input.message);
          else {
            const [verb, word] = input.command;
            const why = refusalOf(run, verb, word as OperatorCommand);
            if (why === undefined) run = applyCommand(run, verb, word as OperatorCommand, NOW, uses).run;
            else expect(why).not.toBe('');
          }
          run = nextSteps(run, NOW, uses).run;
          progressOf(run);
          expect(detailsOf(run)).toContain('production/shop');
          const state = carried(run);
          if (state) unpacked(state);
        }
      },
    ),
    { numRuns: propertyRuns(1_000) },
  );
});

test('PLANS-5: a plan of another group is shown, and has no effect', () => {
  const run = running();
  const message = valid.applyPlan as Inputs['applyPlan'];
  const foreign = { ...message, plan: { ...message.plan, namespace: 'constructor', generation: 9 } };
  const after = receivePlan(run, foreign, NOW, uses);
  expect(after.plan).toBe(run.plan);
  expect(after.ignored).toEqual([{ at: NOW, what: 'applyPlan', why: 'it is a plan of constructor/shop' }]);
});

test.each(kinds)('%s: what is well formed is accepted', (kind) => {
  expect(parse(kind, valid[kind])).toEqual({ value: valid[kind] });
});

test.each([
  'applyPlan',
  'withdraw',
  'attemptFailed',
  'activityPaused',
  'relay',
  'power',
  'place',
  'release',
] as const)('%s: nothing, null, an empty object and a text are not', (kind) => {
  for (const input of [undefined, null, {}, 'x', 7, []]) expect(parse(kind, input)).toHaveProperty('why');
});

describe('OPERATIONS-1: a result counts only if it names its operation', () => {
  const status = { powerState: 'PoweredOn' as const, at: NOW, since: NOW };

  function answer(raw: unknown): Run {
    const tiers = [tier([seen('db', 'PoweredOff', NOW)]), tier([seen('app', 'PoweredOff', NOW)])];
    const { run, start } = nextSteps(begin({ plan: plan(tiers), cause: 'SpecChanged' }, NOW), NOW);
    const [first] = start;
    if (!first) throw new Error('nothing was started');
    const end = { activityId: first.activityId, at: NOW, ...readOperation(first, raw, uses) };
    return operationsEnded(run, [end], uses);
  }

  test.each([
    ['an empty object', {}],
    ['null', null],
    ['what a person writes', { status, acted: true }],
    ['the result of another operation', { status, acted: true, operation: 'power-on/db@1' }],
  ])('%s: the platform is asked, and the next tier waits', (_what, raw) => {
    const { start, run } = nextSteps(answer(raw), NOW + 1);
    expect(start).toMatchObject([
      { activity: 'confirm', input: { activity: 'powerOn', input: { fence: true, vm: { name: 'db' } } } },
    ]);
    expect(run.ignored).toMatchObject([{ what: 'power-on/db' }]);
    expect(progressOf(run).ignored).toHaveLength(1);
  });

  test('its own result: the next tier starts', () => {
    const run = answer({ status, acted: true, operation: `power-on/db@${NOW}` });
    expect(nextSteps(run, NOW + 1).start).toMatchObject([{ activityId: 'power-on/app' }]);
    expect(run).not.toHaveProperty('ignored');
  });

  test('a run that an older build began takes the results of its workers', () => {
    const tiers = [tier([seen('db', 'PoweredOff', NOW)])];
    const { start } = nextSteps(begin({ plan: plan(tiers), cause: 'SpecChanged' }, NOW), NOW);
    const [first] = start;
    if (!first) throw new Error('nothing was started');
    expect(readOperation(first, { status, acted: true, failures: [] }, () => false)).toMatchObject({
      result: { acted: true },
    });
  });
});

test('a failure by hand without a class or message says so', () => {
  expect(readFailure('', '', undefined)).toMatchObject({ class: 'ActivityFailed' });
  expect(readFailure(undefined, 'broken', { failures: 'x' })).toMatchObject({
    message: 'broken',
    failures: [],
  });
});

test('a member named constructor is placed, powered and corrected like any other', () => {
  const run = running();
  expect(membersOf(run.plan)[0]?.key).toBe('constructor');
  const drifted = shop({ generation: 2 });
  const member = drifted.tiers[0]?.members[0];
  if (member)
    Object.assign(member, { drifted: true, observed: seen('constructor', 'PoweredOff', NOW + 5).observed });
  const next = nextSteps(receivePlan(run, { plan: drifted, cause: 'Drift' }, NOW + 6), NOW + 6);
  expect(next.run.members['constructor']?.phase).toBeDefined();
});
