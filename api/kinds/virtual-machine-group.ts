/** VirtualMachineGroup in both spellings in use: the documented `delay`, and the shipped `powerOnDelay` and `powerOffDelay`. */
import { z } from 'zod';
import { nonEmpty, present, type Convert } from './convert';
import { parseDuration } from '../duration';
import { listMap, MAX_LIST, serverRules } from './server-checks';
import { duration, fields, metadata, name, optionalName } from './fields';
import type { Group, MemberRef, Tier } from '../model';

/** Annotation of a group that names its SequencePolicy. */
export const POLICY_ANNOTATION = 'vmgroup.dev/policy';

/** Finalizer of groups: that of VM Operator's group controller, which the bridge sets in its place. */
export const GROUP_FINALIZER = 'vmoperator.vmware.com/virtualmachinegroup';

/** Annotation of a group whose runs are rehearsals: `true`. */
const TEST_ANNOTATION = 'vmgroup.dev/test';

/** `spec.powerState` of groups and VMs. */
export const powerState = z.enum(['PoweredOn', 'PoweredOff', 'Suspended']);

/** `spec.powerOffMode` and `spec.suspendMode` of groups and VMs. */
export const powerMode = z.enum(['Hard', 'Soft', 'TrySoft']);

/** Kind of a member; default `VirtualMachine`. */
export const memberKind = z
  .enum(['VirtualMachine', 'VirtualMachineGroup'])
  .meta({ default: 'VirtualMachine' });

const bootGroup = fields({
  members: z
    .array(
      fields({
        kind: memberKind
          .optional()
          .describe('VirtualMachine (also where it is left out), or VirtualMachineGroup for a nested group.'),
        name: name.describe('Name of the member in the namespace of the group.'),
      }),
    )
    .max(MAX_LIST)
    .meta(listMap('kind', 'name'))
    .optional()
    .describe('Members that start together; at most 10,000.'),
  delay: duration
    .optional()
    .describe('Wait after this boot group is done, before the next one starts. No effect on the last one.'),
  powerOnDelay: duration
    .optional()
    .describe(
      'Wait before this boot group is powered on, the first too. Adds up with the delay of the one before it.',
    ),
  powerOffDelay: duration
    .optional()
    .describe(
      'Wait before this boot group is powered off, in reverse order. Where no boot group has one, all members are powered off at once.',
    ),
});

const NOT_ITS_OWN_GROUP =
  '!has(self.spec) || !has(self.spec.groupName) || self.spec.groupName != self.metadata.name';
const itsOwnGroup = {
  message: 'a group cannot have itself as a member or group name',
  fieldPath: '.spec.groupName',
};

/** A `VirtualMachineGroup` of vmoperator.vmware.com, v1alpha2 to v1alpha6. */
export const virtualMachineGroupSchema = fields({
  apiVersion: z.string(),
  kind: z.literal('VirtualMachineGroup'),
  metadata: metadata,
  spec: fields({
    groupName: optionalName.optional().describe('Parent group in the same namespace.'),
    bootOrder: z
      .array(bootGroup)
      .max(MAX_LIST)
      .optional()
      .describe('Boot groups in the order in which they are powered on; at most 10,000.'),
    powerState: powerState
      .optional()
      .describe(
        'Desired power state of every member. Left out: power is left alone. Cannot be emptied once set.',
      ),
    powerOffMode: powerMode
      .optional()
      .describe('How members are powered off. Left out: by the mode of each member.'),
    suspendMode: powerMode
      .optional()
      .describe('How members are suspended. Left out: by the mode of each member.'),
    nextForcePowerStateSyncTime: z
      .string()
      .refine((text) => isSyncTime(text), {
        error: ({ input }) => `unsupported value ${JSON.stringify(input)}: may only be set to "now"`,
      })
      .meta({
        maxLength: 64,
        ...serverRules({
          rule: "self == '' || self.matches('^([nN][oO][wW]|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+))$')",
          messageExpression: '\'unsupported value "\' + self + \'": may only be set to "now"\'',
        }),
      })
      .optional()
      .describe('`now` asks for one sync of every member, also of those that look in sync.'),
  })
    .optional()
    .describe('Desired state of the group.'),
  status: z.looseObject({}).optional().describe('Observed state; not read from manifests.'),
}).meta(
  serverRules(
    {
      rule: 'has(self.spec) && has(self.spec.powerState) || !has(oldSelf.spec) || !has(oldSelf.spec.powerState)',
      messageExpression:
        '"cannot set powerState to empty once it\'s been set: it was " + oldSelf.spec.powerState + ' +
        "', write that or another power state'",
      fieldPath: '.spec.powerState',
      reason: 'FieldValueForbidden',
    },
    // Objects that are already stored must remain writable for status and finalizers: the first rule applies to new objects, the second to changes.
    {
      rule: `${NOT_ITS_OWN_GROUP} || has(self.status)`,
      ...itsOwnGroup,
    },
    {
      rule: `${NOT_ITS_OWN_GROUP} || has(oldSelf.spec) && has(oldSelf.spec.groupName) && oldSelf.spec.groupName == self.metadata.name`,
      ...itsOwnGroup,
    },
  ),
);

/** `now`, or the time (RFC 3339) by which an admission webhook replaced it. */
function isSyncTime(text: string): boolean {
  return (
    text === '' || /^now$/i.test(text) || (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text)))
  );
}

type WrittenGroup = z.infer<typeof virtualMachineGroupSchema>;
type WrittenTier = z.infer<typeof bootGroup>;

/** The internal form of a group, whichever spelling it was written in. */
export const convertGroup: Convert<WrittenGroup, Group> = ({ spec = {} }, meta) => {
  const sync = nonEmpty(spec.nextForcePowerStateSyncTime);
  return {
    ...meta,
    tiers: (spec.bootOrder ?? []).map((tier, index, all) => toTier(tier, all[index - 1])),
    ...present({
      groupName: nonEmpty(spec.groupName),
      powerState: spec.powerState,
      powerOffMode: spec.powerOffMode,
      suspendMode: spec.suspendMode,
      nextForcePowerStateSyncTime: sync && /^now$/i.test(sync) ? 'now' : sync,
      policyName: nonEmpty(meta.annotations[POLICY_ANNOTATION]),
      test: meta.annotations[TEST_ANNOTATION] === 'true' ? (true as const) : undefined,
    }),
  };
};

function toTier(tier: WrittenTier, before: WrittenTier | undefined): Tier {
  return {
    members: (tier.members ?? []).map(toMember),
    powerOnDelay: parseDuration(tier.powerOnDelay ?? '0s') + parseDuration(before?.delay ?? '0s'),
    powerOffDelay: tier.powerOffDelay === undefined ? null : parseDuration(tier.powerOffDelay),
  };
}

/** A member with its kind; default `VirtualMachine`. */
export function toMember({
  kind = 'VirtualMachine',
  name,
}: {
  kind?: MemberRef['kind'] | undefined;
  name: string;
}): MemberRef {
  return { kind, name };
}
