/** VirtualMachine: the fields that groups need. All others are kept as they are. */
import { z } from 'zod';
import { affinitySchema, convertAffinity, ZONE_LABEL } from './affinity';
import { isMapping } from '../unknown';
import { nonEmpty, present, type Convert, type Report } from './convert';
import { isName, looseMetadata, optionalName } from './fields';
import { LONGEST_PLATFORM_NAME } from './platform';
import { readinessProbeSchema, toReadinessProbe } from './readiness-probe';
import { serverRules } from './server-checks';
import type { ObjectMeta, Placement, VirtualMachine, VmLocator } from '../model';
import { own } from '../own';
import { powerMode, powerState } from './virtual-machine-group';

const EFFECTS = Object.keys(affinitySchema.shape)
  .map((effect) => `has(self.affinity.${effect})`)
  .join(' || ');

/** Names the platform that a VM is on. */
export const PLATFORM_ANNOTATION = 'vmgroup.dev/platform';
/** Says which VM of the platform a VirtualMachine is. */
export const LOCATOR_ANNOTATION = 'vmgroup.dev/platform-vm';

/** Longest locator, in characters: inventory paths of vCenter have names of up to 80 characters. */
const LONGEST_LOCATOR = 1_000;
const LOCATOR = /^(uuid:[0-9A-Fa-f-]{32,36}|path:\S.*)$/;

/** The version whose enumeration values begin with a lower-case letter. It has neither groups nor affinity. */
export const FIRST_VERSION = 'v1alpha1';

/** A `VirtualMachine` of vmoperator.vmware.com, v1alpha2 to v1alpha6; v1alpha1 after {@link fromFirstVersion}. */
export const virtualMachineSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('VirtualMachine'),
  metadata: looseMetadata,
  spec: z
    .looseObject({
      groupName: optionalName.optional().describe('Group that the VM belongs to, in the same namespace.'),
      className: z.string().optional().describe('VirtualMachineClass that says what the VM asks of a host.'),
      powerState: powerState
        .optional()
        .describe("Desired power state. The group's own power state, where it has one, outranks it."),
      powerOffMode: powerMode.optional().describe('How the VM is powered off.'),
      suspendMode: powerMode.optional().describe('How the VM is suspended.'),
      readinessProbe: readinessProbeSchema.optional().describe('When the VM is ready.'),
      affinity: affinitySchema.optional().describe('Placement relative to other VMs. Needs groupName.'),
    })
    .meta(
      serverRules({
        rule: `has(self.groupName) && self.groupName != '' || !has(self.affinity) || !(${EFFECTS})`,
        message: 'affinity rules need spec.groupName: name the group of this VM there, or take the rules out',
        fieldPath: '.affinity',
      }),
    )
    .optional()
    .describe('Desired state of the VM.'),
  status: z
    .looseObject({
      uniqueID: z.string().optional().describe('Id of the VM on the platform: it exists there.'),
      zone: z.string().optional().describe('Zone that the VM is in.'),
      nodeName: z.string().optional().describe('Host that the VM is on.'),
    })
    .optional()
    .describe('Observed state. A VM with uniqueID and zone is placed already.'),
});

type WrittenVirtualMachine = z.infer<typeof virtualMachineSchema>;

/** The internal form of a VM. */
export const convertVirtualMachine: Convert<WrittenVirtualMachine, VirtualMachine> = (
  written,
  meta,
  report,
) => {
  const spec = written.spec ?? {};
  if (isFirstVersion(written)) {
    for (const field of ['groupName', 'affinity'] as const)
      if (spec[field] !== undefined)
        report(['spec', field], `${FIRST_VERSION} has no ${field}: write v1alpha2 or a later version`, {
          at: 'key',
        });
  }
  return {
    ...meta,
    affinity: spec.affinity ? convertAffinity(spec.affinity, report) : [],
    ...present({
      groupName: nonEmpty(spec.groupName),
      className: nonEmpty(spec.className),
      powerState: spec.powerState,
      powerOffMode: spec.powerOffMode,
      suspendMode: spec.suspendMode,
      readinessProbe: spec.readinessProbe && toReadinessProbe(spec.readinessProbe, report),
      zone: nonEmpty(meta.labels[ZONE_LABEL]),
      placed: placementOf(written.status),
    }),
    ...namedPlatform(meta, report),
  };
};

/** Which VM of which platform annotations name. */
export function namedPlatform(
  meta: ObjectMeta,
  report: Report,
): Pick<VirtualMachine, 'platform' | 'locator'> {
  return present({ platform: platformOf(meta, report), locator: locatorOf(meta, report) });
}

function platformOf({ annotations }: ObjectMeta, report: Report): string | undefined {
  const text = nonEmpty(own(annotations, PLATFORM_ANNOTATION));
  if (text === undefined || (text.length <= LONGEST_PLATFORM_NAME && isName(text))) return text;
  const message = `invalid name of a platform ${JSON.stringify(text.slice(0, 100))}: write metadata.name of a Platform`;
  report(['metadata', 'annotations', PLATFORM_ANNOTATION], message);
  return undefined;
}

function locatorOf({ annotations }: ObjectMeta, report: Report): VmLocator | undefined {
  const text = nonEmpty(own(annotations, LOCATOR_ANNOTATION));
  if (text === undefined) return undefined;
  if (text.length <= LONGEST_LOCATOR && LOCATOR.test(text)) return text as VmLocator;
  const message = `invalid locator ${JSON.stringify(text.slice(0, 100))}: write uuid: and the UUID of the VM, or path: and its inventory path`;
  report(['metadata', 'annotations', LOCATOR_ANNOTATION], message);
  return undefined;
}

/** Converts a VM of v1alpha1 to the spelling of later versions. */
export function fromFirstVersion(value: unknown): unknown {
  if (!isMapping(value) || !isFirstVersion(value) || !isMapping(value['spec'])) return value;
  const spec = { ...value['spec'] };
  for (const field of ['powerState', 'powerOffMode', 'suspendMode']) {
    const text = own(spec, field);
    if (typeof text === 'string' && text !== '') spec[field] = text.charAt(0).toUpperCase() + text.slice(1);
  }
  return { ...value, spec };
}

function isFirstVersion({ apiVersion }: { apiVersion?: unknown }): boolean {
  return typeof apiVersion === 'string' && apiVersion.endsWith(`/${FIRST_VERSION}`);
}

function placementOf(status: WrittenVirtualMachine['status']): Placement | undefined {
  const zoneID = nonEmpty(status?.zone);
  if (!nonEmpty(status?.uniqueID) || zoneID === undefined) return undefined;
  return { zoneID, ...present({ node: nonEmpty(status?.nodeName) ?? hostOf(status) }) };
}

/** v1alpha1 to v1alpha3 call `nodeName` `host`. */
function hostOf(status: WrittenVirtualMachine['status']): string | undefined {
  const host = status?.['host'];
  return typeof host === 'string' ? nonEmpty(host) : undefined;
}
