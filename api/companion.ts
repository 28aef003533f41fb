/**
 * Groups alongside VM Operator's own group controller: annotations, which that controller does not read, say what vmgroup must do. Pure.
 *
 * COMPANION-1: `spec.powerState`, `spec.powerOffMode`, `spec.suspendMode` and `spec.nextForcePowerStateSyncTime` are VM Operator's to act on. They
 *     are never taken for what vmgroup is to do.
 * COMPANION-2: a group with `spec.powerState` says who else powers its members, so that vmgroup leaves them alone.
 */
import { createHash } from 'node:crypto';
import { LineCounter } from 'yaml';
import { parseDuration } from './duration';
import type { ObjectFinding } from './kinds';
import { readDocuments } from './manifests/yaml';
import type { Group, SequencePolicy } from './model';
import { own } from './own';
import { readResource, type Resource } from './resource';

/** Annotations of a group that direct vmgroup. */
export const COMPANION = {
  powerState: 'vmgroup.dev/power-state',
  powerOffMode: 'vmgroup.dev/power-off-mode',
  suspendMode: 'vmgroup.dev/suspend-mode',
  /** Delay before each boot group that has none of its own is powered off, in reverse order. */
  powerOffDelay: 'vmgroup.dev/power-off-delay',
  /** A new value asks for a run. */
  sync: 'vmgroup.dev/sync',
  /** The `spec` of a SequencePolicy, as YAML or JSON. */
  policySpec: 'vmgroup.dev/policy-spec',
} as const;

/** Annotation of a group with what vmgroup reports of it; JSON. */
export const COMPANION_STATUS = 'vmgroup.dev/status';

/** Annotation by which an operator's request names the revision that it is about. */
export const ASKED_FOR_ANNOTATION = 'vmgroup.dev/asked-for-revision';
/** Fields of `spec` that are read from annotations instead. */
const FIELDS = { powerState: true, powerOffMode: true, suspendMode: true } as const;
/** Characters of a value of {@link COMPANION.sync}: it is part of a token. */
const SYNC = /^[A-Za-z0-9:._+-]{1,64}$/;
/** Bytes of a policy in an annotation. */
const POLICY_BYTES = 16_384;

/** Reads an object as {@link readResource} does; a group by its annotations. Never throws. */
export function readBesideVmOperator(value: unknown): Resource {
  const object = mapping(value);
  if (object?.['kind'] !== 'VirtualMachineGroup') return readResource(value);
  const annotations = textsOf(mapping(object['metadata'])?.['annotations']);
  const spec = mapping(object['spec']) ?? {};
  const { powerState, powerOffMode, suspendMode, nextForcePowerStateSyncTime, ...rest } = spec;
  const asked = Object.fromEntries(
    Object.keys(FIELDS).flatMap((field) => {
      const text = own(annotations, COMPANION[field as keyof typeof FIELDS]);
      return text === undefined || text === '' ? [] : [[field, text]];
    }),
  );
  const { read, ref, findings } = readResource({ ...object, spec: { ...rest, ...asked } });
  const policy = ref && policyIn(annotations, ref);
  const found = [
    ...findings.map(atAnnotation),
    ...annotationFindings(annotations),
    ...(policy?.findings ?? []),
  ];
  const isValid = found.every(({ severity }) => severity !== 'Error');
  if (read?.kind !== 'VirtualMachineGroup' || !isValid) return { ...(ref && { ref }), findings: found };
  const group = asCompanion(read.object, annotations, policy?.policy);
  const contestedBy = typeof powerState === 'string' && powerState !== '' ? powerState : undefined;
  return {
    ...(ref && { ref }),
    read: {
      kind: 'VirtualMachineGroup',
      object: {
        ...group,
        ...(contestedBy !== undefined && { contestedBy: contestText(group, contestedBy) }),
      },
    },
    findings: found,
  };
}

/** Why a group whose power state is in its spec is left alone. */
export function contestText(
  { namespace, name }: Pick<Group, 'namespace' | 'name'>,
  powerState: string,
): string {
  return (
    `spec.powerState of VirtualMachineGroup ${namespace}/${name} is ${powerState}, so VM Operator's group controller powers its members; ` +
    'only one of the two may: vmgroup does nothing with this group until spec.powerState is gone'
  );
}

function asCompanion(
  group: Group,
  annotations: Record<string, string>,
  policy: SequencePolicy | undefined,
): Group {
  const sync = own(annotations, COMPANION.sync);
  const delay = own(annotations, COMPANION.powerOffDelay);
  const milliseconds = delay === undefined ? undefined : parsed(delay);
  const tiers =
    milliseconds === undefined
      ? group.tiers
      : group.tiers.map((tier) => ({ ...tier, powerOffDelay: tier.powerOffDelay ?? milliseconds }));
  const { [COMPANION_STATUS]: _ours, ...others } = group.annotations;
  return {
    ...group,
    tiers,
    // An edit of an annotation does not change the generation.
    revision: `${group.uid}:${group.generation}${marksOf(annotations)}`,
    annotations: askedFor(others, group, sync),
    ...(sync && { nextForcePowerStateSyncTime: sync }),
    ...(policy && { policy }),
  };
}

/** Who asked, if it was for this value of {@link COMPANION.sync}. */
function askedFor(
  annotations: Record<string, string>,
  { uid, generation }: Group,
  sync: string | undefined,
): Record<string, string> {
  const { [ASKED_FOR_ANNOTATION]: asked, ...others } = annotations;
  return asked !== undefined && asked === sync
    ? { ...others, [ASKED_FOR_ANNOTATION]: `${uid}:${generation}` }
    : others;
}

/** Tells two versions of the annotations apart; empty if there are none. */
function marksOf(annotations: Record<string, string>): string {
  const keys = Object.values(COMPANION).filter((key) => own(annotations, key) !== undefined);
  if (keys.length === 0) return '';
  const text = JSON.stringify(keys.sort().map((key) => [key, own(annotations, key)]));
  return `:${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}

/** A finding about a field that is read from an annotation stands at the annotation. */
function atAnnotation(finding: ObjectFinding): ObjectFinding {
  const [first, field] = finding.path;
  const key = first === 'spec' && typeof field === 'string' ? own(COMPANION, field) : undefined;
  return key === undefined ? finding : { ...finding, path: ['metadata', 'annotations', key] };
}

function annotationFindings(annotations: Record<string, string>): ObjectFinding[] {
  const sync = own(annotations, COMPANION.sync);
  const delay = own(annotations, COMPANION.powerOffDelay);
  return [
    ...(sync === undefined || SYNC.test(sync)
      ? []
      : [mistake(COMPANION.sync, 'write 1 to 64 of the characters A-Z a-z 0-9 : . _ + -, such as a time')]),
    ...(delay === undefined || parsed(delay) !== undefined
      ? []
      : [mistake(COMPANION.powerOffDelay, `invalid duration ${JSON.stringify(delay)}: write 30s or 0s`)]),
  ];
}

/** Milliseconds; undefined: it is no delay. */
function parsed(delay: string): number | undefined {
  try {
    const milliseconds = parseDuration(delay);
    return milliseconds < 0 ? undefined : milliseconds;
  } catch {
    return undefined;
  }
}

function policyIn(
  annotations: Record<string, string>,
  { namespace, name }: { namespace: string; name: string },
): { policy?: SequencePolicy; findings: ObjectFinding[] } | undefined {
  const text = own(annotations, COMPANION.policySpec);
  if (text === undefined || text.trim() === '') return undefined;
  const key = COMPANION.policySpec;
  if (Buffer.byteLength(text) > POLICY_BYTES)
    return { findings: [mistake(key, `longer than ${POLICY_BYTES} bytes`)] };
  const [document, ...more] = readDocuments(text, new LineCounter());
  const problem = document?.problems[0];
  if (problem) return { findings: [mistake(key, problem.message)] };
  if (more.length > 0) return { findings: [mistake(key, 'write one document')] };
  const { read, findings } = readResource({
    apiVersion: 'vmgroup.dev/v1alpha1',
    kind: 'SequencePolicy',
    metadata: { namespace, name, uid: `${name}-annotation` },
    spec: document?.value ?? {},
  });
  // An unknown field is a slip here: no API server has checked it.
  const wrong = findings.map(({ path, message }) => mistake(key, `${path.join('.')}: ${message}`));
  if (wrong.length > 0 || read?.kind !== 'SequencePolicy') return { findings: wrong };
  return { policy: read.object, findings: [] };
}

function mistake(key: string, message: string): ObjectFinding {
  return { severity: 'Error', path: ['metadata', 'annotations', key], at: 'value', message };
}

function mapping(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function textsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(mapping(value) ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
}
