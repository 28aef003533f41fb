/**
 * What may get into the record of the values that runs exchange. Each schema keeps the fields that it names and drops all others, and every text
 * has a limit.
 *
 * RECORD-1: the schemas are the allowlist. A field of a plan, a result or a message that no schema names is never on record.
 */
import * as v from 'valibot';
import { fitText } from '../../api/text';
import { OPERATOR_VERBS } from '../../contract';
import type { RecordedOutcome, RecordedPlan } from '../facts';

/** Nested groups on top of each other, one more than manifests may have. */
const MAX_DEPTH = 17;
const MAX_ITEMS = 10_000;
/** Bytes of a text, and of a name. */
const TEXT_BYTES = 1_000;
const NAME_BYTES = 400;

const bounded = (bytes: number) =>
  v.pipe(
    v.string(),
    v.transform((text) => fitText(text, bytes)),
  );
const text = bounded(TEXT_BYTES);
const name = bounded(NAME_BYTES);
const number = v.pipe(v.number(), v.finite());
const mode = v.picklist(['Hard', 'Soft', 'TrySoft']);
const powerState = v.picklist(['PoweredOn', 'PoweredOff', 'Suspended']);
const desired = v.picklist(['PoweredOn', 'PoweredOff', 'Suspended', 'Unchanged']);
const gate = v.custom<`Condition/${string}` | 'None' | 'PoweredOn' | 'Ready' | 'Probe'>(
  (value) => typeof value === 'string' && /^(None|PoweredOn|Ready|Probe|Condition\/.{1,316})$/.test(value),
);
const outcomeType = v.picklist(['Converged', 'ConvergedWithExceptions', 'Failed', 'Cancelled', 'Superseded']);

function list<T extends v.GenericSchema>(item: T) {
  return v.pipe(v.array(item), v.maxLength(MAX_ITEMS));
}

const place = v.object({
  zoneID: name,
  node: v.exactOptional(name),
  pool: v.exactOptional(name),
  note: v.exactOptional(text),
});

const observation = v.object({
  powerState,
  at: number,
  since: v.exactOptional(number),
  ready: v.exactOptional(v.boolean()),
  conditions: v.exactOptional(v.pipe(v.array(name), v.maxLength(100))),
  placement: v.exactOptional(place),
  version: v.exactOptional(name),
});

const retry = v.object({ maximumAttempts: number, initialInterval: number, maximumInterval: number });

/** Recovery targets, milliseconds. */
const targets = v.object({ rto: number });

const setAside = v.object({
  reason: v.picklist(['Parked', 'Skipped', 'MarkedReady', 'Drifted', 'DriftLimit', 'NoRoom']),
  message: text,
});

/** A plan, where each member also has what was observed of its VMs. */
interface SentPlan extends Omit<RecordedPlan, 'tiers'> {
  root: string;
  tiers: (Omit<RecordedPlan['tiers'][number], 'members'> & { members: SentMember[] })[];
}
type SentMember = Omit<RecordedPlan['tiers'][number]['members'][number], 'plan'> & {
  observed?: v.InferOutput<typeof observation>;
  plan?: SentPlan;
};

const plans: v.GenericSchema<unknown, SentPlan>[] = [];

function planAt(depth: number): v.GenericSchema<unknown, SentPlan> {
  if (depth >= MAX_DEPTH) return v.never('groups are nested too deeply');
  return (plans[depth] ??= planSchema(depth));
}

function planSchema(depth: number): v.GenericSchema<unknown, SentPlan> {
  const member = v.object({
    kind: v.picklist(['VirtualMachine', 'VirtualMachineGroup']),
    name,
    uid: v.exactOptional(name),
    link: v.picklist(['Linked', 'NotFound', 'NotMember']),
    optional: v.exactOptional(v.literal(true)),
    gate: v.exactOptional(gate),
    gateTimeout: v.exactOptional(number),
    platform: v.exactOptional(name),
    observed: v.exactOptional(observation),
    drifted: v.exactOptional(v.literal(true)),
    recovered: v.exactOptional(v.literal(true)),
    setAside: v.exactOptional(setAside),
    plan: v.exactOptional(v.lazy(() => planAt(depth + 1))),
  });
  const tier = v.object({
    powerOnDelay: number,
    powerOffDelay: v.nullable(number),
    gate,
    gateTimeout: number,
    whenParked: v.picklist(['Hold', 'Continue', 'Fail']),
    quorum: v.exactOptional(number),
    targets: v.exactOptional(targets),
    members: list(member),
  });
  return v.object({
    name,
    root: name,
    revision: name,
    generation: number,
    powerState: desired,
    powerOffMode: v.exactOptional(mode),
    suspendMode: v.exactOptional(mode),
    forceSync: v.exactOptional(name),
    test: v.exactOptional(v.literal(true)),
    tiers: list(tier),
    policy: v.object({
      operationTimeout: number,
      maxConcurrentOperations: number,
      guestShutdownTimeout: number,
      retry,
      drift: v.object({
        action: v.picklist(['Enforce', 'Report']),
        maxCorrections: number,
        window: number,
      }),
      deletion: v.exactOptional(v.picklist(['Orphan', 'Cascade'])),
      targets: v.exactOptional(targets),
    }),
  });
}

const attempt = v.object({
  attempt: number,
  at: number,
  class: name,
  message: text,
  retryAt: v.exactOptional(number),
});

const command = {
  member: v.exactOptional(name),
  choice: v.exactOptional(name),
  actor: v.exactOptional(text),
  reason: text,
  known: v.exactOptional(v.literal(true)),
};

const vm = v.object({ name, uid: name });

const outcome: v.GenericSchema<unknown, RecordedOutcome> = v.object({
  outcome: outcomeType,
  message: text,
  revision: name,
  generation: number,
  powerState: desired,
  startedAt: number,
  endedAt: number,
  operations: number,
  exceptions: list(
    v.object({
      member: name,
      reason: v.picklist([
        ...(['Parked', 'Skipped', 'MarkedReady', 'NotFound', 'NotMember', 'Drifted', 'DriftLimit'] as const),
        ...(['NoRoom', 'NotStarted', 'InProgress', 'GroupHasExceptions'] as const),
      ]),
      message: text,
    }),
  ),
  observed: v.record(v.string(), observation),
  placements: v.record(v.string(), place),
  released: v.exactOptional(list(name)),
  shortened: v.exactOptional(v.literal(true)),
});

const powerInput = v.object({
  vm,
  operation: v.object({ id: name, sequence: number }),
  powerState,
  fence: v.exactOptional(v.literal(true)),
  mode: v.exactOptional(mode),
  gate,
  gateTimeout: number,
  earlier: list(attempt),
});

const groupInput = v.object({
  operation: v.exactOptional(name),
  sequence: v.exactOptional(number),
  plan: v.object({ name, powerState: desired, revision: name }),
  runId: v.exactOptional(name),
  earlier: list(attempt),
});

/** The schemas of the values. */
export const allowed = {
  start: v.object({
    namespace: name,
    name,
    cleanUp: v.exactOptional(v.object({ runId: name, actor: text, reason: text, message: text })),
  }),
  planMessage: v.object({
    plan: v.lazy(() => planAt(1)),
    cause: v.picklist([
      ...(['SpecChanged', 'MembersChanged', 'Drift', 'Recovered'] as const),
      ...(['ForceSync', 'Parent', 'CleanUp', 'Asked'] as const),
    ]),
    digest: v.exactOptional(name),
    supersedes: v.exactOptional(name),
    actor: v.exactOptional(text),
    reason: v.exactOptional(text),
    known: v.exactOptional(v.literal(true)),
    changedBy: v.exactOptional(
      v.object({
        name: text,
        known: v.exactOptional(v.literal(true)),
        at: v.exactOptional(name),
        object: text,
      }),
    ),
  }),
  attemptFailed: v.object({ activityId: name, attempt }),
  activityPaused: v.object({
    activityId: name,
    paused: v.nullable(v.object({ at: number, by: text, reason: text })),
  }),
  command: v.object(command),
  relay: v.object({ ...command, verb: v.picklist(OPERATOR_VERBS) }),
  withdraw: v.object({ reason: text }),
  notifyOnEnd: v.object({ workflowId: name, member: name, runId: name }),
  groupEnded: v.object({ member: name, runId: name }),
  powerInput,
  groupInput,
  placeInput: v.object({
    requests: list(v.object({ vm, optional: v.exactOptional(v.literal(true)) })),
    sequence: v.exactOptional(number),
  }),
  releaseInput: v.object({ vms: list(vm), sequence: number }),
  answerInput: v.object({ vm, choice: name }),
  findEndedGroupsInput: v.object({ groups: list(v.object({ member: name })) }),
  powerResult: v.object({
    status: observation,
    acted: v.boolean(),
    probed: v.exactOptional(text),
    answered: v.exactOptional(
      v.pipe(v.array(v.object({ id: name, kind: name, choice: name, at: number })), v.maxLength(100)),
    ),
    failures: v.exactOptional(list(attempt)),
  }),
  groupResult: v.object({
    outcome: v.object({ outcome: outcomeType, message: text, revision: name }),
    failures: v.exactOptional(list(attempt)),
  }),
  groupWaiting: v.object({
    waiting: v.object({ runId: name }),
    failures: v.exactOptional(list(attempt)),
  }),
  placements: list(
    v.union([
      v.object({ vm, placement: place, note: v.exactOptional(text) }),
      v.object({ vm, unplaced: text }),
    ]),
  ),
  machines: list(vm),
  answerResult: v.object({ message: text }),
  findEndedGroupsResult: v.object({ ended: list(name) }),
  cancellation: v.object({ identity: text, reason: text }),
  giveUp: v.object({
    failures: list(attempt),
    recorded: v.exactOptional(v.object({ sequence: number, caller: name })),
  }),
  outcome,
} as const;

/** A plan message, as read. */
export type SentPlanMessage = v.InferOutput<typeof allowed.planMessage>;
/** A failed attempt, as read. */
export type ReadAttempt = v.InferOutput<typeof attempt>;
/** A value that a schema allows. */
export type Allowed<K extends keyof typeof allowed> = v.InferOutput<(typeof allowed)[K]>;

/** What a schema allows of a value; undefined: the value is not of that kind. */
export function read<K extends keyof typeof allowed>(kind: K, value: unknown): Allowed<K> | undefined {
  const { success, output } = v.safeParse(allowed[kind], value, { abortEarly: true });
  return success ? output : undefined;
}

/** A text of a history event, cut. */
export function shortText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? fitText(value, TEXT_BYTES) : undefined;
}
