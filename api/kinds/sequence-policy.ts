/** SequencePolicy: settings of a group's runs that VirtualMachineGroup has no fields for. */
import { z } from 'zod';
import { optionalDuration, present, reportDuplicates, type Convert, type Report } from './convert';
import { duration, fields, metadata, name, positiveDuration } from './fields';
import { checkProbes, gateFields, MAX_MEMBERS, toGatePolicy } from './gates';
import { questionsSchema, toQuestions } from './questions';
import { isDuration, listMap, MAX_LIST, serverRules } from './server-checks';
import type { Gate, RecoveryTargets, SequencePolicy, SequencePolicySpec } from '../model';
import { memberKind, toMember } from './virtual-machine-group';

/** The gate of a VM without a readiness probe where the policy says none. */
export const DEFAULT_GATE: Gate = 'PoweredOn';

/** Defaults for a group without a policy, and for each field that a policy omits. Durations in milliseconds. */
export const DEFAULT_POLICY: SequencePolicySpec = {
  gateTimeout: 600_000,
  operationTimeout: 300_000,
  retry: { maximumAttempts: 5, initialInterval: 2_000, maximumInterval: 30_000 },
  whenParked: 'Hold',
  optionalMembers: [],
  maxConcurrentOperations: 50,
  drift: { action: 'Enforce', maxCorrections: 3, window: 600_000 },
  guestShutdownTimeout: 300_000,
  deletion: 'Orphan',
  tiers: [],
};

type Quorum = NonNullable<SequencePolicySpec['quorum']>;

function quorum() {
  return z
    .union([z.int().min(1), z.string().regex(/^(100|[1-9]\d?)%$/, { error: quorumError })], {
      error: quorumError,
    })
    .describe('How many members make a tier done: a number from 1, or a share such as `75%`. Left out: all.');
}

function quorumError({ input }: { input?: unknown }): string {
  return `invalid quorum ${JSON.stringify(input)}: write a whole number from 1, or a share from "1%" to "100%"`;
}

function whenParked() {
  return z
    .enum(['Hold', 'Continue', 'Fail'])
    .describe('What a parked member does to the next tier: hold it back, let it start, or end the run.');
}

function targets(of: string) {
  return fields({
    rto: positiveDuration.describe(
      `Recovery time objective: longest time from the start of the run until every VM of the ${of} has reached its gate.`,
    ),
  }).describe('Goals that runs are reported against; they change nothing that a run does.');
}

const spec = fields({
  ...gateFields,
  operationTimeout: positiveDuration
    .optional()
    .describe('Longest wait for one power operation to show its effect.'),
  retry: fields({
    maximumAttempts: z
      .int()
      .min(1)
      .optional()
      .describe('Attempts of one operation before its member is parked.'),
    initialInterval: positiveDuration
      .optional()
      .describe('Pause before the second attempt; doubles with each further one.'),
    maximumInterval: positiveDuration.optional().describe('Longest pause between two attempts.'),
  })
    .meta(
      serverRules({
        rule:
          `!has(self.initialInterval) || !has(self.maximumInterval) || !${isDuration('self.initialInterval')} || ` +
          `!${isDuration('self.maximumInterval')} || duration(self.maximumInterval) >= duration(self.initialInterval)`,
        messageExpression: "'must not be shorter than initialInterval (' + self.initialInterval + ')'",
        fieldPath: '.maximumInterval',
      }),
    )
    .optional()
    .describe('Retry budget of one power operation.'),
  whenParked: whenParked().optional(),
  optionalMembers: z
    .array(
      fields({
        kind: memberKind.optional().describe('Left out: VirtualMachine.'),
        name: name.describe('Name of the member.'),
      }),
    )
    .max(MAX_LIST)
    .optional()
    .describe('Members that no tier waits for; at most 10,000.'),
  quorum: quorum().optional(),
  maxConcurrentOperations: z
    .int()
    .min(1)
    .optional()
    .describe('Power operations of one group that may be open at the same time.'),
  drift: fields({
    action: z
      .enum(['Enforce', 'Report'])
      .optional()
      .describe("What happens to a VM that was changed behind the group's back: brought back, or reported."),
    maxCorrections: z
      .int()
      .min(0)
      .optional()
      .describe('Corrections of one VM within the window before it is left alone.'),
    window: positiveDuration.optional().describe('Time over which corrections are counted.'),
  })
    .optional()
    .describe('Changes of power behind the back of the group.'),
  guestShutdownTimeout: duration.optional().describe('How long `Soft` and `TrySoft` wait for the guest.'),
  deletion: z
    .enum(['Orphan', 'Cascade'])
    .optional()
    .describe('What deleting the group does to its members: leave them, or delete them too.'),
  questions: questionsSchema
    .optional()
    .describe('Answers to questions that the platform asks about a VM; at most 16.'),
  targets: targets('run').optional(),
  tiers: z
    .array(
      fields({
        tier: z.int().min(0).describe('Index into bootOrder, from 0.'),
        ...gateFields,
        quorum: quorum().optional(),
        whenParked: whenParked().optional(),
        targets: targets('tier').optional(),
      }),
    )
    .max(MAX_LIST)
    .meta(listMap('tier'))
    .optional()
    .describe('Settings of single tiers; at most 10,000.'),
  members: z
    .array(fields({ name: name.describe('Name of the VM.'), ...gateFields }))
    .max(MAX_MEMBERS)
    .meta(listMap('name'))
    .optional()
    .describe('Gates of single VMs; at most 2,000.'),
});

/** A `SequencePolicy` of vmgroup.dev/v1alpha1. */
export const sequencePolicySchema = fields({
  apiVersion: z.string(),
  kind: z.literal('SequencePolicy'),
  metadata: metadata,
  spec: spec.optional().describe('The policy; each field that is left out has its built-in value.'),
});

type WrittenSpec = z.infer<typeof spec>;

/** The internal form of a policy, with the default of each field that it omits. */
export const convertPolicy: Convert<z.infer<typeof sequencePolicySchema>, SequencePolicy> = (
  written,
  meta,
  report,
) => {
  const given = written.spec ?? {};
  reportDuplicates(
    given.tiers ?? [],
    ({ tier }) => String(tier),
    (index) => `spec.tiers[${index}]`,
    (index, tier, firstAt) =>
      report(['spec', 'tiers', index, 'tier'], `duplicate value: tier ${tier} is set by ${firstAt} already`),
  );
  reportDuplicates(
    given.members ?? [],
    ({ name }) => name,
    (index) => `spec.members[${index}]`,
    (index, member, firstAt) =>
      report(
        ['spec', 'members', index, 'name'],
        `duplicate value: VM ${member} is set by ${firstAt} already`,
      ),
  );
  checkProbes(given, report);
  return {
    ...meta,
    spec: {
      ...DEFAULT_POLICY,
      ...general(given, report),
      tiers: (given.tiers ?? []).map(toTierPolicy),
      ...present({
        members: given.members?.map((member) => ({ name: member.name, ...toGatePolicy(member) })),
      }),
    },
  };
};

function general(given: WrittenSpec, report: Report): Partial<SequencePolicySpec> {
  return present({
    ...toGatePolicy(given),
    operationTimeout: optionalDuration(given.operationTimeout),
    retry: toRetry(given.retry, report),
    whenParked: given.whenParked,
    optionalMembers: given.optionalMembers?.map(toMember),
    quorum: given.quorum as Quorum | undefined,
    maxConcurrentOperations: given.maxConcurrentOperations,
    drift: {
      ...DEFAULT_POLICY.drift,
      ...present({
        action: given.drift?.action,
        maxCorrections: given.drift?.maxCorrections,
        window: optionalDuration(given.drift?.window),
      }),
    },
    guestShutdownTimeout: optionalDuration(given.guestShutdownTimeout),
    deletion: given.deletion,
    questions: given.questions && toQuestions(given.questions, report),
    targets: toTargets(given.targets),
  });
}

function toRetry(given: WrittenSpec['retry'], report: Report): SequencePolicySpec['retry'] {
  const defaults = DEFAULT_POLICY.retry;
  const first = optionalDuration(given?.initialInterval);
  const longest = optionalDuration(given?.maximumInterval);
  if (first !== undefined && longest !== undefined && longest < first) {
    report(
      ['spec', 'retry', 'maximumInterval'],
      `must not be shorter than initialInterval (${given?.initialInterval})`,
    );
  }
  return {
    maximumAttempts: given?.maximumAttempts ?? defaults.maximumAttempts,
    // If only one is set, the default of the other adapts to it.
    initialInterval: first ?? Math.min(defaults.initialInterval, longest ?? Infinity),
    maximumInterval: longest ?? Math.max(defaults.maximumInterval, first ?? 0),
  };
}

function toTargets(given: WrittenSpec['targets']): RecoveryTargets | undefined {
  const rto = optionalDuration(given?.rto);
  return rto === undefined ? undefined : { rto };
}

function toTierPolicy(given: NonNullable<WrittenSpec['tiers']>[number]): SequencePolicySpec['tiers'][number] {
  return {
    tier: given.tier,
    ...toGatePolicy(given),
    ...present({
      quorum: given.quorum as Quorum | undefined,
      whenParked: given.whenParked,
      targets: toTargets(given.targets),
    }),
  };
}
