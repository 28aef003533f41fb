/** What the plans of one execution say: the plan, what it changes, and what was observed meanwhile. */
import { canonicalText } from '../../api';
import { memberKey } from '../../contract';
import type { MemberObserved, PlanReceived } from '../events';
import type { RecordedMember, RecordedObservation, RecordedPlan } from '../facts';
import { read, type SentPlanMessage } from './allowed';
import { planChanges } from './plan-changes';

type SentPlan = SentPlanMessage['plan'];

/** The plans of one execution. */
export class PlanFacts {
  #last: RecordedPlan | undefined;
  #lastChange = '';
  #hasPlan: boolean;
  readonly #observed = new Map<string, string>();

  /** `continues`: the run had a plan before this execution. */
  constructor(continues: boolean) {
    this.#hasPlan = continues;
  }

  /** A plan message; undefined: it cannot be read. */
  received(value: unknown, identity: string | undefined): (PlanReceived | MemberObserved)[] | undefined {
    const message = read('planMessage', value);
    if (!message) return undefined;
    const { cause, digest, supersedes, actor, reason, known = false } = message;
    const plan = recordedPlan(message.plan);
    const changedBy = this.#newChange(message);
    const before = this.#last;
    const same = before !== undefined && desired(before) === desired(plan);
    const event: PlanReceived = {
      kind: this.#hasPlan ? 'PlanAmended' : 'PlanReceived',
      cause,
      revision: plan.revision,
      generation: plan.generation,
      powerState: plan.powerState,
      ...(digest !== undefined && { digest }),
      ...(supersedes !== undefined && { supersedes }),
      ...(actor !== undefined && { actor: { name: actor, known } }),
      ...(changedBy && { changedBy: { ...changedBy, known: changedBy.known ?? false } }),
      ...(reason !== undefined && { reason }),
      ...(identity !== undefined && { identity }),
      ...(!same && { plan }),
      ...(before && !same && { changes: planChanges(before, plan) }),
    };
    this.#hasPlan = true;
    this.#last = plan;
    return [event, ...this.#observations(message.plan)];
  }

  /** Who changed the desired state, unless the plan before has that change: what amends it came from elsewhere. */
  #newChange({ plan, changedBy }: SentPlanMessage): SentPlanMessage['changedBy'] {
    const change = canonicalText([plan.generation, plan.revision, changedBy ?? null]);
    if (change === this.#lastChange) return undefined;
    this.#lastChange = change;
    return changedBy;
  }

  /** What an operation has observed: the same in a later plan is no change. */
  saw(member: string, observed: RecordedObservation): void {
    this.#observed.set(member, stateText(observed));
  }

  #observations(plan: SentPlan): MemberObserved[] {
    return plan.tiers.flatMap(({ members }) =>
      members.flatMap((sent) => {
        const { observed, drifted } = sent;
        if (!observed || sent.kind !== 'VirtualMachine') return [];
        const member = memberKey(sent);
        const text = stateText(observed);
        if (this.#observed.get(member) === text) return [];
        this.#observed.set(member, text);
        return [{ kind: 'MemberObserved' as const, member, observed, ...(drifted && { drifted }) }];
      }),
    );
  }
}

function recordedPlan({ root: _root, tiers, ...plan }: SentPlan): RecordedPlan {
  return {
    ...plan,
    tiers: tiers.map(({ members, ...tier }) => ({ ...tier, members: members.map(recordedMember) })),
  };
}

function recordedMember({
  observed: _observed,
  plan,
  ...member
}: SentPlan['tiers'][number]['members'][number]): RecordedMember {
  return { ...member, ...(plan && { plan: recordedPlan(plan) }) };
}

/** What a plan wants, as text. */
function desired({ generation: _generation, ...plan }: RecordedPlan): string {
  return canonicalText(plan);
}

function stateText({ at: _at, version: _version, ...state }: RecordedObservation): string {
  return canonicalText(state);
}
