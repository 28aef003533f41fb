/** Events of failovers as the record has them. */
import type { RecordedMember, RecordedPlan, RunEvent, RunRef } from '../../record';

/** When the failover of the fixtures began. */
export const START = Date.UTC(2026, 2, 14, 9, 0, 0, 0);

type Fact = RunEvent extends infer E
  ? E extends RunEvent
    ? Omit<E, 'run' | 'execution' | 'time' | 'source'>
    : never
  : never;

/** Collects the events of one run; times are seconds from {@link START}. */
export class RunScript {
  readonly events: RunEvent[] = [];
  readonly run: RunRef;
  #execution: string;

  constructor(
    group: string,
    readonly shift = 0,
    over: Partial<RunRef> = {},
  ) {
    const runId = `${group}-run-${shift}`;
    this.run = { namespace: 'prod', group, workflowId: `vmgroup/prod/${group}`, runId, root: group, ...over };
    this.#execution = this.run.runId;
  }

  execution(runId: string): this {
    this.#execution = runId;
    return this;
  }

  at(seconds: number, ...facts: Fact[]): this {
    const time = new Date(this.time(seconds)).toISOString();
    for (const fact of facts)
      this.events.push({
        ...fact,
        run: this.run,
        execution: this.#execution,
        time,
        source: { from: 'History', eventId: this.events.length + 1 },
      });
    return this;
  }

  /** Milliseconds since the epoch. */
  time(seconds: number): number {
    return START + this.shift * 1_000 + seconds * 1_000;
  }

  begin(plan: RecordedPlan): this {
    return this.at(0, { kind: 'ExecutionStarted', workflow: 'virtualMachineGroup' }, planned(plan));
  }

  /** A power operation: asked for, in its power state, and at its gate (or given up). */
  power(vm: string, asked: number, powered: number, ready: number, { sequence = 1, gaveUp = '' } = {}): this {
    const activityId = sequence === 1 ? `power-on/${vm}` : `power-on/${vm}#${sequence}`;
    this.at(asked, {
      kind: 'ActivityScheduled',
      activityId,
      member: vm,
      task: {
        type: 'Power',
        powerState: 'PoweredOn',
        vm,
        uid: vm,
        sequence,
        gate: 'Ready',
        gateTimeout: 600_000,
        operation: `${activityId}@${sequence}`,
      },
    });
    if (gaveUp !== '')
      return this.at(ready, {
        kind: 'ActivityFailed',
        activityId,
        member: vm,
        class: 'OperationTimeout',
        message: gaveUp,
        attempts: 5,
      });
    const observed = {
      powerState: 'PoweredOn',
      at: this.time(ready),
      since: this.time(powered),
      ready: true,
    } as const;
    return this.at(ready, {
      kind: 'ActivityCompleted',
      activityId,
      member: vm,
      result: { type: 'Power', acted: true, observed },
    });
  }

  failed(vm: string, second: number, message: string): this {
    const activityId = `power-on/${vm}`;
    const at = this.time(second);
    return this.at(second, {
      kind: 'AttemptFailed',
      activityId,
      member: vm,
      attempt: 1,
      class: 'Transient',
      message,
      at,
    });
  }

  delay(tier: number, tiers: number, from: number, to: number): this {
    const timer = {
      timerId: `delay-${tier}`,
      summary: `tier ${tier} of ${tiers}: wait ${to - from}s before the rest`,
    };
    const until = new Date(this.time(to)).toISOString();
    return this.at(from, { kind: 'DelayStarted', ...timer, duration: (to - from) * 1_000, until }).at(to, {
      kind: 'DelayEnded',
      ...timer,
    });
  }

  end(
    second: number,
    exceptions: {
      member: string;
      reason: 'Parked' | 'Skipped' | 'GroupHasExceptions';
      message: string;
    }[] = [],
  ): this {
    const type = exceptions.length === 0 ? 'Converged' : 'ConvergedWithExceptions';
    return this.at(second, {
      kind: 'RunCompleted',
      outcome: {
        outcome: type,
        message: 'done',
        revision: 'r',
        generation: 1,
        powerState: 'PoweredOn',
        startedAt: this.time(0),
        endedAt: this.time(second),
        operations: 1,
        exceptions,
        observed: {},
        placements: {},
      },
    });
  }

  /** In the order of time, as a history has them. */
  sorted(): RunEvent[] {
    return [...this.events].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  }
}

function planned(plan: RecordedPlan): Fact {
  const { revision, generation, powerState } = plan;
  return {
    kind: 'PlanReceived',
    cause: 'Asked',
    revision,
    generation,
    powerState,
    plan,
    actor: { name: 'anna', known: false },
    reason: 'site A is gone',
  };
}

/** A plan with these members, tier by tier. */
export function planOf(
  name: string,
  tiers: string[][],
  { rto, tierRto, test }: { rto?: number; tierRto?: number[]; test?: true } = {},
): RecordedPlan {
  return {
    name,
    revision: 'r',
    generation: 1,
    powerState: 'PoweredOn',
    ...(test && { test }),
    tiers: tiers.map((members, index) => ({
      powerOnDelay: index === 0 ? 0 : 30_000,
      powerOffDelay: 0,
      gate: 'Ready',
      gateTimeout: 600_000,
      whenParked: 'Continue',
      ...(tierRto?.[index] !== undefined && { targets: { rto: tierRto[index] } }),
      members: members.map(memberOf),
    })),
    policy: {
      operationTimeout: 300_000,
      maxConcurrentOperations: 50,
      guestShutdownTimeout: 300_000,
      retry: { maximumAttempts: 5, initialInterval: 1_000, maximumInterval: 60_000 },
      drift: { action: 'Enforce', maxCorrections: 3, window: 600_000 },
      ...(rto !== undefined && { targets: { rto } }),
    },
  };
}

function memberOf(key: string): RecordedMember {
  const name = key.replace(/^VirtualMachineGroup\//, '');
  return { kind: name === key ? 'VirtualMachine' : 'VirtualMachineGroup', name, uid: name, link: 'Linked' };
}

const TIERS = [['db-primary', 'db-replica'], ['app-1', 'app-2', 'app-3'], ['load-balancer']];

/** A failover of six VMs: one with a failed attempt, one that was parked and retried. `slower`: seconds that the first tier took longer. */
export function smallRun(shift = 0, { slower = 0, test }: { slower?: number; test?: true } = {}): RunEvent[] {
  const d = slower;
  const script = new RunScript('shop', shift)
    .begin(planOf('shop', TIERS, { rto: 600_000, tierRto: [60_000 + 1_000], ...(test && { test }) }))
    .power('db-primary', 1, 20 + d, 40 + d)
    .power('db-replica', 1, 25 + d, 61 + d)
    .delay(2, 3, 61 + d, 91 + d)
    .power('app-1', 91 + d, 100 + d, 130 + d)
    .power('app-2', 91 + d, 120 + d, 150 + d)
    .failed('app-2', 95 + d, 'the host esx-07 is busy')
    .power('app-3', 91 + d, 0, 200 + d, { gaveUp: 'PoweredOn was not observed within 5m' })
    .at(260 + d, {
      kind: 'CommandReceived',
      verb: 'retryMember',
      member: 'app-3',
      actor: { name: 'ben', known: false },
      reason: 'host esx-07 is back',
    })
    .power('app-3', 261 + d, 280 + d, 300 + d, { sequence: 2 })
    .delay(3, 3, 300 + d, 330 + d)
    .power('load-balancer', 330 + d, 340 + d, 352.5 + d)
    .end(353 + d);
  return script.sorted();
}

/** A failover of two nested groups with this many VMs in all; `stuck` of them stay parked. */
export function largeRun(count: number, stuck: number, shift = 0): RunEvent[][] {
  const half = Math.floor(count / 2);
  const site = new RunScript('dr-site', shift).begin(
    planOf('dr-site', [['VirtualMachineGroup/erp', 'VirtualMachineGroup/shop']], { rto: 3_600_000 }),
  );
  const ends = [
    nested('erp', half, Math.ceil(stuck / 2), shift),
    nested('shop', count - half, Math.floor(stuck / 2), shift),
  ];
  for (const [index, name] of ['erp', 'shop'].entries()) {
    const of = { activityId: `power-on/${name}`, member: `VirtualMachineGroup/${name}` };
    site
      .at(1, {
        kind: 'ActivityScheduled',
        ...of,
        task: {
          type: 'Group',
          group: name,
          operation: `power-on/${name}@1`,
          sequence: 1,
          powerState: 'PoweredOn',
          revision: 'r',
        },
      })
      .at(ends[index]?.end ?? 0, {
        kind: 'ActivityCompleted',
        ...of,
        result: { type: 'Group', outcome: 'ConvergedWithExceptions', message: 'done', revision: 'r' },
      });
  }
  const end = Math.max(...ends.map((each) => each.end)) + 1;
  const exceptions =
    stuck === 0
      ? []
      : ['erp', 'shop'].map((name) => ({
          member: `VirtualMachineGroup/${name}`,
          reason: 'GroupHasExceptions' as const,
          message: 'it has exceptions',
        }));
  return [site.end(end, exceptions).sorted(), ...ends.map(({ events }) => events)];
}

function nested(
  name: string,
  size: number,
  stuck: number,
  shift: number,
): { events: RunEvent[]; end: number } {
  const tierNames = ['db', 'mq', 'app', 'web'];
  const tiers = tierNames.map((tier, index) =>
    Array.from(
      { length: Math.floor(((index + 1) * size) / 4) - Math.floor((index * size) / 4) },
      (_, at) => `${name}-${tier}-${String(at + 1).padStart(3, '0')}`,
    ),
  );
  const script = new RunScript(name, shift, { root: 'dr-site' }).begin(planOf(name, tiers));
  const exceptions: { member: string; reason: 'Parked'; message: string }[] = [];
  let begin = 2;
  let left = stuck;
  for (const [index, members] of tiers.entries()) {
    let last = begin;
    for (const [at, vm] of members.entries()) {
      const asked = begin + Math.floor(at / 25) * 12;
      const [on, ready] = [asked + 14 + ((at * 7) % 23), asked + 40 + ((at * 13) % 61)];
      if (at % 9 === 4) script.power(vm, asked, on, ready).failed(vm, asked + 6, 'too many power operations');
      else if (at % 11 === 3 && left > 0) {
        left -= 1;
        const message = 'PoweredOn was not observed within 5m';
        script.power(vm, asked, on, asked + 150, { gaveUp: message });
        exceptions.push({ member: vm, reason: 'Parked', message });
        last = Math.max(last, asked + 150);
        continue;
      } else script.power(vm, asked, on, ready);
      last = Math.max(last, ready);
    }
    if (index < 3) script.delay(index + 2, 4, last, last + 30);
    begin = last + 30;
  }
  const end = begin - 29;
  return { events: script.end(end, exceptions).sorted(), end };
}
