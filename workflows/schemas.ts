/**
 * What the workflow accepts from outside: signals, results of activities and details of failures. Every client of the Temporal server can
 * send any JSON, so all input is parsed here before it is used.
 *
 * Unknown fields are ignored: a newer build may send them. The schemas use Valibot because every run evaluates its modules again, which takes
 * fifty times as long with Zod.
 */
import * as v from 'valibot';
import { MAX_SEQUENCE, OPERATOR_VERBS } from '../contract';
import type {
  AnswerResult,
  Cancellation,
  CleanUp,
  GiveUpDetails,
  EndSubscription,
  FindEndedGroupsResult,
  GroupEnded,
  PlaceResult,
  PowerGroupResult,
  PowerResult,
  ReleaseResult,
  AttemptReport,
  PauseReport,
  PlanMessage,
  RecordedCommand,
} from '../contract';

/** Milliseconds: no time and no duration is longer than what JavaScript's `Date` reaches. */
const LONGEST = 8.64e15;
/** Nested groups on top of each other, one more than manifests may have. */
const MAX_DEPTH = 17;
const MAX_ITEMS = 10_000;

const text = v.pipe(v.string(), v.maxLength(100_000));
const label = v.pipe(v.string(), v.maxLength(1_000));
/** A DNS subdomain (RFC 1123), as Kubernetes names objects. */
const name = v.pipe(v.string(), v.maxLength(253), v.regex(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/));
/** The workflow id of a group's run. The server refuses an empty or a long id, and with it the workflow task that sends a signal there. */
const groupWorkflowId = v.pipe(
  v.string(),
  v.maxLength(600),
  v.regex(/^vmgroup\/[a-z0-9][-.a-z0-9]*\/[a-z0-9][-.a-z0-9]*$/),
);
/** Temporal's are UUIDs. */
const runId = v.pipe(v.string(), v.maxLength(100));
/** A DNS subdomain of up to 63 characters: it is part of the name of a task queue. */
const platformName = v.pipe(name, v.maxLength(63));
const moment = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(LONGEST));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
const sequence = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_SEQUENCE));
const mode = v.picklist(['Hard', 'Soft', 'TrySoft']);
const powerState = v.picklist(['PoweredOn', 'PoweredOff', 'Suspended']);
const desired = v.picklist(['PoweredOn', 'PoweredOff', 'Suspended', 'Unchanged']);
const texts = v.record(v.string(), v.string());

function list<T extends v.GenericSchema>(item: T): v.GenericSchema {
  return v.pipe(v.array(item), v.maxLength(MAX_ITEMS));
}

const placement = v.looseObject({ zoneID: v.string() });

const status = v.looseObject({
  powerState,
  at: moment,
  since: v.exactOptional(moment),
  ready: v.exactOptional(v.boolean()),
  conditions: v.exactOptional(list(label)),
  placement: v.exactOptional(placement),
});

const seenByRules = {
  labels: v.exactOptional(texts),
  affinity: v.exactOptional(list(v.looseObject({ selector: v.looseObject({}) }))),
};

const retry = v.looseObject({
  maximumAttempts: v.pipe(count, v.minValue(1)),
  initialInterval: moment,
  maximumInterval: moment,
});

const targets = v.looseObject({ rto: moment });

const policy = v.looseObject({
  operationTimeout: moment,
  retry,
  maxConcurrentOperations: v.pipe(count, v.minValue(1)),
  guestShutdownTimeout: moment,
  questions: v.exactOptional(list(v.looseObject({ kind: label, answer: label }))),
  targets: v.exactOptional(targets),
  drift: v.looseObject({ action: v.picklist(['Enforce', 'Report']), maxCorrections: count, window: moment }),
});

const setAside = v.looseObject({
  reason: v.picklist(['Parked', 'Skipped', 'MarkedReady', 'Drifted', 'DriftLimit', 'NoRoom']),
  message: text,
});

const gate = v.pipe(label, v.regex(/^(None|PoweredOn|Ready|Probe|Condition\/.+)$/));
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));

const probe = v.looseObject({
  tcpSocket: v.exactOptional(v.looseObject({ port, host: v.exactOptional(label) })),
  httpGet: v.exactOptional(
    v.looseObject({
      port,
      host: v.exactOptional(label),
      scheme: v.picklist(['HTTP', 'HTTPS']),
      path: label,
      expectedStatus: v.exactOptional(count),
      headers: v.exactOptional(list(v.looseObject({ name: label, value: label }))),
      tls: v.exactOptional(
        v.looseObject({
          caFile: v.exactOptional(label),
          serverName: v.exactOptional(label),
          insecureSkipVerify: v.exactOptional(v.literal(true)),
        }),
      ),
    }),
  ),
  guestHeartbeat: v.exactOptional(v.looseObject({ thresholdStatus: v.picklist(['yellow', 'green']) })),
  guestInfo: v.exactOptional(list(v.looseObject({ key: label, value: v.exactOptional(text) }))),
  period: moment,
  timeout: moment,
  successThreshold: count,
  failureThreshold: v.exactOptional(count),
});

const gateFields = {
  gate: v.exactOptional(gate),
  gateTimeout: v.exactOptional(moment),
  probe: v.exactOptional(probe),
};

function member(depth: number): v.GenericSchema {
  return v.looseObject({
    ...gateFields,
    kind: v.picklist(['VirtualMachine', 'VirtualMachineGroup']),
    name,
    uid: v.exactOptional(label),
    link: v.picklist(['Linked', 'NotFound', 'NotMember']),
    optional: v.exactOptional(v.literal(true)),
    powerOffMode: v.exactOptional(mode),
    suspendMode: v.exactOptional(mode),
    platform: v.exactOptional(platformName),
    locator: v.exactOptional(v.pipe(label, v.regex(/^(uuid|path):./))),
    requests: v.exactOptional(
      v.looseObject({ cpus: v.number(), memory: v.number(), zone: v.exactOptional(label), ...seenByRules }),
    ),
    observed: v.exactOptional(status),
    unseen: v.exactOptional(v.literal(true)),
    reportedAfter: v.exactOptional(moment),
    drifted: v.exactOptional(v.literal(true)),
    recovered: v.exactOptional(v.literal(true)),
    setAside: v.exactOptional(setAside),
    convergedAt: v.exactOptional(moment),
    plan: v.exactOptional(v.lazy(() => nestedPlan(depth + 1))),
  });
}

/** Schemas of nested plans by depth, made once they are needed. */
const nested: v.GenericSchema[] = [];

function nestedPlan(depth: number): v.GenericSchema {
  return (nested[depth] ??= depth < MAX_DEPTH ? plan(depth) : v.never('groups are nested too deeply'));
}

function plan(depth: number): v.GenericSchema {
  const tier = v.looseObject({
    powerOnDelay: moment,
    powerOffDelay: v.nullable(moment),
    ...gateFields,
    gate,
    gateTimeout: moment,
    whenParked: v.picklist(['Hold', 'Continue', 'Fail']),
    quorum: v.exactOptional(count),
    targets: v.exactOptional(targets),
    members: list(member(depth)),
  });
  return v.looseObject({
    namespace: name,
    name,
    uid: label,
    revision: label,
    lineage: text,
    generation: v.pipe(v.number(), v.finite()),
    root: name,
    powerState: desired,
    placesAhead: v.exactOptional(v.literal(true)),
    powerOffMode: v.exactOptional(mode),
    suspendMode: v.exactOptional(mode),
    forceSync: v.exactOptional(label),
    syncedAs: v.exactOptional(label),
    test: v.exactOptional(v.literal(true)),
    tiers: list(tier),
    policy,
    beside: v.exactOptional(list(v.looseObject({ name, uid: label, ...seenByRules }))),
    corrections: v.exactOptional(v.record(v.string(), list(moment))),
  });
}

const planMessage = v.looseObject({
  plan: plan(1),
  cause: v.picklist(['SpecChanged', 'MembersChanged', 'Drift', 'Recovered', 'ForceSync', 'Parent', 'Asked']),
  digest: v.exactOptional(label),
  supersedes: v.exactOptional(label),
  actor: v.exactOptional(text),
  reason: v.exactOptional(text),
  known: v.exactOptional(v.literal(true)),
  changedBy: v.exactOptional(
    v.looseObject({
      name: text,
      known: v.exactOptional(v.literal(true)),
      at: v.exactOptional(label),
      object: text,
    }),
  ),
  placed: v.exactOptional(v.literal(true)),
  sequence: v.exactOptional(sequence),
});

const attempt = v.looseObject({
  attempt: count,
  at: moment,
  class: label,
  message: text,
  retryAt: v.exactOptional(moment),
});

const recordedWord = v.looseObject({
  verb: v.picklist(OPERATOR_VERBS),
  member: v.exactOptional(label),
  choice: v.exactOptional(label),
  actor: text,
  reason: text,
  at: moment,
  known: v.exactOptional(v.literal(true)),
});

const vm = v.looseObject({ namespace: name, name, uid: label });

const outcome = v.looseObject({
  outcome: v.picklist(['Converged', 'ConvergedWithExceptions', 'Failed', 'Cancelled', 'Superseded']),
  message: v.string(),
  revision: label,
  generation: v.number(),
  planDigest: v.exactOptional(label),
  lineage: text,
  powerState: desired,
  operations: count,
  observed: v.record(v.string(), status),
});

const cleanUp = v.looseObject({
  plan: plan(1),
  digest: v.exactOptional(label),
  runId,
  actor: text,
  reason: text,
  message: text,
});

/** The schema of each input. */
const schemas = {
  applyPlan: planMessage,
  cleanUp,
  withdraw: v.looseObject({ reason: text }),
  attemptFailed: v.looseObject({ activityId: label, attempt }),
  activityPaused: v.looseObject({
    activityId: label,
    paused: v.nullable(v.looseObject({ at: moment, by: text, reason: text })),
  }),
  relay: recordedWord,
  notifyOnEnd: v.looseObject({ workflowId: groupWorkflowId, member: label, runId }),
  groupEnded: v.looseObject({ member: label, runId }),
  power: v.looseObject({
    status,
    acted: v.boolean(),
    operation: v.exactOptional(label),
    probed: v.exactOptional(text),
  }),
  powerGroup: v.looseObject({ outcome, operation: v.exactOptional(label) }),
  powerGroupWaiting: v.looseObject({
    waiting: v.looseObject({ runId }),
    operation: label,
    failures: list(attempt),
  }),
  findEndedGroups: v.looseObject({ operation: label, ended: list(label) }),
  place: v.looseObject({
    operation: label,
    results: list(v.union([v.looseObject({ vm, placement }), v.looseObject({ vm, unplaced: text })])),
  }),
  /** From workers of older builds. */
  placeBefore: list(v.looseObject({ vm, placement })),
  release: v.looseObject({ operation: label, free: list(vm) }),
  releaseBefore: list(vm),
  answer: v.looseObject({ operation: label, message: text }),
  cancellation: v.looseObject({ identity: text, reason: text }),
  giveUp: v.looseObject({
    failures: list(attempt),
    recorded: v.exactOptional(v.looseObject({ sequence, caller: text })),
  }),
} as const satisfies Record<string, v.GenericSchema>;

/** Type of each input that fits its schema. */
export interface Inputs {
  applyPlan: PlanMessage;
  cleanUp: CleanUp;
  withdraw: { reason: string };
  attemptFailed: AttemptReport;
  activityPaused: PauseReport;
  relay: RecordedCommand;
  notifyOnEnd: EndSubscription;
  groupEnded: GroupEnded;
  power: PowerResult;
  powerGroup: Extract<PowerGroupResult, { outcome: unknown }>;
  powerGroupWaiting: Extract<PowerGroupResult, { waiting: unknown }>;
  findEndedGroups: FindEndedGroupsResult;
  place: PlaceResult;
  placeBefore: PlaceResult['results'];
  release: ReleaseResult;
  releaseBefore: ReleaseResult['free'];
  answer: AnswerResult;
  cancellation: Cancellation;
  giveUp: GiveUpDetails;
}

/** An input that fits its schema, or why it does not. */
export type Parsed<T> = { value: T } | { why: string };

/** Checks an input against its schema. The value is the input itself, not a copy. */
export function parse<K extends keyof Inputs>(kind: K, input: unknown): Parsed<Inputs[K]> {
  const { success, issues } = v.safeParse(schemas[kind], input, { abortEarly: true });
  if (success) return { value: input as Inputs[K] };
  const [{ message }] = issues;
  const path = v.getDotPath(issues[0]);
  return { why: path === null ? message : `${path}: ${message}` };
}
