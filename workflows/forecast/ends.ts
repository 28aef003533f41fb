/** How activities end in a dry run: each as it should. Pure. */
import { gateCondition, type Plan, type RunOutcome } from '../../contract';
import { usesAll } from '../changes';
import { operationsEnded, type OperationResult } from '../operations';
import { placed } from '../placing';
import { workOf, type Start } from '../planner';
import type { Run } from '../state';

/** The run after these activities have ended; operations are ended together, as each look at a large run takes long. */
export function allEnded(run: Run, starts: readonly Start[], now: number): Run {
  let next = run;
  for (const start of starts) {
    const work = workOf(start);
    if (work.activity !== 'place') continue;
    const results = work.input.requests.map(({ vm }) => ({ vm, placement: { zoneID: '' } }));
    next = placed(next, start.activityId, results, now);
  }
  const ends = starts.flatMap((start) => {
    const result = resultOf(start, now);
    return result ? [{ activityId: start.activityId, at: now, result }] : [];
  });
  return operationsEnded(next, ends, usesAll);
}

/** The end of an operation; undefined for anything else. */
function resultOf(start: Start, now: number): OperationResult | undefined {
  const work = workOf(start);
  switch (work.activity) {
    case 'place':
    case 'release':
    case 'findEndedGroups':
      return undefined;
    case 'powerGroup':
      return { kind: 'VirtualMachineGroup', outcome: convergedOutcome(work.input.plan, now) };
    case 'powerOn':
    case 'powerOff':
    case 'suspend': {
      const status = {
        powerState: work.input.powerState,
        at: now,
        since: now,
        ready: work.input.powerState === 'PoweredOn',
        conditions: [gateCondition(work.input.gate) ?? []].flat(),
      };
      return { kind: 'VirtualMachine', status, acted: true };
    }
  }
}

/** What a run of the plan comes to if all goes well, and at once: at `now`, milliseconds since the epoch. */
export function convergedOutcome(
  { revision, generation, lineage, powerState }: Plan,
  now: number,
): RunOutcome {
  return {
    outcome: 'Converged',
    message: '',
    revision,
    generation,
    lineage,
    powerState,
    startedAt: now,
    endedAt: now,
    operations: 1,
    exceptions: [],
    observed: {},
    placements: {},
    corrections: {},
    words: [],
  };
}
