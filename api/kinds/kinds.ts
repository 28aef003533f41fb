/** The kinds, each with its versions, its schema and its conversion to the internal form. */
import { createHash } from 'node:crypto';
import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { canonicalText } from '../canonical';
import type { Convert } from './convert';
import { readBySchema, type Mismatch } from './fields';
import type {
  Group,
  ObjectMeta,
  PlatformObject,
  SequencePolicy,
  SimulatedInventory,
  VirtualMachine,
  VirtualMachineClass,
} from '../model';
import { own } from '../own';
import type { Finding, ObjectRef } from '../problem';
import { convertKubevirtMachine, kubevirtMachineSchema } from './kubevirt-machine';
import { convertPlatform, platformSchema } from './platform';
import { convertPolicy, sequencePolicySchema } from './sequence-policy';
import { convertInventory, simulatedInventorySchema } from './simulated-inventory';
import { closest } from './suggest';
import {
  convertVirtualMachine,
  FIRST_VERSION,
  fromFirstVersion,
  virtualMachineSchema,
} from './virtual-machine';
import { convertClass, virtualMachineClassSchema } from './virtual-machine-class';
import { convertGroup, virtualMachineGroupSchema } from './virtual-machine-group';

/**
 * The API group of groups, VMs and classes, with the versions that our own definitions serve; the last one is stored. The fields that are read
 * are the same in all of them.
 */
export const VM_OPERATOR = {
  apiGroup: 'vmoperator.vmware.com',
  versions: ['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'],
};
/** Manifests of VMs and classes may be of VM Operator's first version too, which had no groups. */
const MACHINE_VERSIONS = [FIRST_VERSION, ...VM_OPERATOR.versions];
/** The API group of our own kinds. */
export const VMGROUP = { apiGroup: 'vmgroup.dev', versions: ['v1alpha1'] };

/** Namespace of an object without `metadata.namespace`. */
const DEFAULT_NAMESPACE = 'default';

/** Internal form of each kind. */
export interface Kinds {
  VirtualMachineGroup: Group;
  VirtualMachine: VirtualMachine;
  VirtualMachineClass: VirtualMachineClass;
  SequencePolicy: SequencePolicy;
  SimulatedInventory: SimulatedInventory;
  Platform: PlatformObject;
}

/** Name of a kind. */
export type Kind = keyof Kinds;

/** A valid object with its kind. */
export type ReadObject = { [K in Kind]: { kind: K; object: Kinds[K] } }[Kind];

/** What is wrong with one object: a {@link Finding} without the object. */
export type ObjectFinding = Omit<Finding, 'object'>;

/** Where an object was read: in a file, with the time of its last change in milliseconds since the epoch, or from an API server. */
export type Origin = { from: 'file'; changedAt?: number | undefined } | { from: 'api-server' };

/** Reads the value of a document. There is no object if one of the findings is an error. */
type Read = (value: unknown, origin: Origin) => { read?: ReadObject; findings: ObjectFinding[] };

interface KindEntry {
  apiGroup: string;
  versions: readonly string[];
  read: Read;
}

const kinds: Record<Kind, KindEntry> = {
  VirtualMachineGroup: {
    ...VM_OPERATOR,
    read: reader(virtualMachineGroupSchema, convertGroup, (object) => ({
      kind: 'VirtualMachineGroup',
      object,
    })),
  },
  VirtualMachine: {
    ...VM_OPERATOR,
    versions: MACHINE_VERSIONS,
    read: afterward(
      fromFirstVersion,
      reader(virtualMachineSchema, convertVirtualMachine, (object) => ({ kind: 'VirtualMachine', object })),
    ),
  },
  VirtualMachineClass: {
    ...VM_OPERATOR,
    versions: MACHINE_VERSIONS,
    read: reader(virtualMachineClassSchema, convertClass, (object) => ({
      kind: 'VirtualMachineClass',
      object,
    })),
  },
  SequencePolicy: {
    ...VMGROUP,
    read: reader(sequencePolicySchema, convertPolicy, (object) => ({ kind: 'SequencePolicy', object })),
  },
  SimulatedInventory: {
    ...VMGROUP,
    read: reader(simulatedInventorySchema, convertInventory, (object) => ({
      kind: 'SimulatedInventory',
      object,
    })),
  },
  Platform: {
    ...VMGROUP,
    read: reader(platformSchema, convertPlatform, (object) => ({ kind: 'Platform', object })),
  },
};

/** VMs of KubeVirt are VMs too; groups are ours all the same. */
const OF_KUBEVIRT: { apiVersion: string; read: Read } = {
  apiVersion: 'kubevirt.io/v1',
  read: reader(kubevirtMachineSchema, convertKubevirtMachine, (object) => ({
    kind: 'VirtualMachine',
    object,
  })),
};

/** Other products have kinds of these names too. */
const COMMON_NAMES: readonly string[] = ['VirtualMachine', 'VirtualMachineClass'];

interface WrittenObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string | undefined;
    uid?: string | undefined;
    generation?: number | undefined;
    labels?: Record<string, string> | undefined;
    annotations?: Record<string, string> | undefined;
  };
  spec?: unknown;
}

function reader<Written extends WrittenObject, Internal>(
  schema: z.ZodType<Written>,
  convert: Convert<Written, Internal>,
  wrap: (object: Internal) => ReadObject,
): Read {
  return (value, origin) => {
    const findings: ObjectFinding[] = [];
    let result = readBySchema(schema, value);
    // The schema of the API server has the field, or the server would have dropped it: a later version of VM Operator may define it.
    if (result.mismatches && origin.from === 'api-server') {
      const unknown = result.mismatches.filter(({ unknownField }) => unknownField);
      findings.push(...unknown.map((mismatch) => toFinding('Warning', mismatch)));
      if (unknown.length > 0) result = readBySchema(schema, without(value, unknown));
    }
    if (result.mismatches) {
      return { findings: [...findings, ...result.mismatches.map((one) => toFinding('Error', one))] };
    }
    const object = convert(result.value, metaOf(result.value, origin), (path, message, options = {}) =>
      findings.push({ severity: 'Error', at: 'value', ...options, path, message }),
    );
    const valid = findings.every(({ severity }) => severity !== 'Error');
    return { ...(valid && { read: wrap(object) }), findings };
  };
}

/** Reads what a value becomes by `convert`. */
function afterward(convert: (value: unknown) => unknown, read: Read): Read {
  return (value, origin) => read(convert(value), origin);
}

function toFinding(
  severity: ObjectFinding['severity'],
  { unknownField, ...mismatch }: Mismatch,
): ObjectFinding {
  const left = unknownField && severity === 'Warning' ? ' (left alone)' : '';
  return { severity, ...mismatch, message: mismatch.message + left };
}

/** A copy of the value without the fields at some paths. Only what is on their way is copied: unknown fields may be nested without end. */
function without(value: unknown, places: readonly Mismatch[]): unknown {
  const copies = new Set<Holder>();
  const copyOf = (holder: Holder): Holder => {
    if (copies.has(holder)) return holder;
    const copy = (Array.isArray(holder) ? [...(holder as unknown[])] : { ...holder }) as Holder;
    copies.add(copy);
    return copy;
  };
  const copy = copyOf(value as Holder);
  for (const { path } of places) {
    const holder = path.slice(0, -1).reduce<Holder>((at, step) => {
      const below = copyOf(own(at, String(step)) as Holder);
      at[step] = below;
      return below;
    }, copy);
    delete holder[path.at(-1) ?? ''];
  }
  return copy;
}

type Holder = Record<string | number, unknown>;

/** How a document is read. */
export type Recognized =
  | { kind: Kind; read: Read }
  /** A kind of another product. */
  | { kind: undefined; mistake?: undefined }
  /** Meant as one of our kinds, but misspelled. */
  | { kind: undefined; mistake: ObjectFinding };

/** Decides by `apiVersion` and `kind` how a document is read. Kinds of other products are ignored. */
export function recognize(apiVersion: unknown, kind: unknown): Recognized {
  if (typeof kind !== 'string' || kind === '')
    return mistaken('kind', `required: one of ${Object.keys(kinds).join(', ')}`);
  if (!isKind(kind)) return recognizeMisspelt(apiVersion, kind);
  if (kind === 'VirtualMachine' && apiVersion === OF_KUBEVIRT.apiVersion)
    return { kind, read: OF_KUBEVIRT.read };
  const { apiGroup, versions, read } = kinds[kind];
  const known = versions.map((version) => `${apiGroup}/${version}`);
  const cure = `known versions are ${known.join(', ')}`;
  if (typeof apiVersion !== 'string' || apiVersion === '') return mistaken('apiVersion', `required: ${cure}`);
  if (known.includes(apiVersion)) return { kind, read };
  const [group = ''] = apiVersion.split('/', 1);
  const ofAnother =
    group !== apiGroup && closest(group, [apiGroup]) === undefined && apiVersion.includes('/');
  if (ofAnother && COMMON_NAMES.includes(kind)) return { kind: undefined };
  return mistaken('apiVersion', `${JSON.stringify(apiVersion)} is no version of ${kind}: ${cure}`);
}

function recognizeMisspelt(apiVersion: unknown, kind: string): Recognized {
  const group = typeof apiVersion === 'string' ? apiVersion.split('/', 1)[0] : undefined;
  const known = Object.entries(kinds).flatMap(([name, { apiGroup }]) => (apiGroup === group ? [name] : []));
  const lower = kind.toLowerCase();
  const meant = known.find((name) => name.toLowerCase() === lower || isSlip(kind, name));
  if (meant !== undefined)
    return mistaken('kind', `unknown kind ${JSON.stringify(kind)}; did you mean "${meant}"?`);
  if (group !== VMGROUP.apiGroup) return { kind: undefined };
  return mistaken('kind', `unknown kind ${JSON.stringify(kind)}; kinds of ${group} are ${known.join(', ')}`);
}

/** One or two letters off. VM Operator has many kinds whose names begin alike. */
function isSlip(kind: string, name: string): boolean {
  return distance(kind.slice(0, 100), name) <= 2;
}

/** The kind of the items of a typed list, `VirtualMachineGroup` for `VirtualMachineGroupList`; undefined for any other kind. */
export function itemKind(listKind: unknown): Kind | undefined {
  if (typeof listKind !== 'string' || !listKind.endsWith('List')) return undefined;
  const kind = listKind.slice(0, -'List'.length);
  return isKind(kind) ? kind : undefined;
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(kinds, kind);
}

function mistaken(path: string, message: string): Recognized {
  return { kind: undefined, mistake: { severity: 'Error', path: [path], at: 'value', message } };
}

/** The reference to the object of a document that may be invalid; `undefined` if it has no name. */
export function nameObject(value: Record<string, unknown>): ObjectRef | undefined {
  const metadata = value['metadata'];
  if (typeof value['kind'] !== 'string' || typeof metadata !== 'object' || metadata === null)
    return undefined;
  const { name, namespace = DEFAULT_NAMESPACE } = metadata as Record<string, unknown>;
  if (typeof name !== 'string' || typeof namespace !== 'string') return undefined;
  return { kind: value['kind'], namespace, name };
}

function metaOf({ apiVersion, kind, metadata, spec }: WrittenObject, origin: Origin): ObjectMeta {
  const { name, namespace = DEFAULT_NAMESPACE, labels = {}, annotations = {} } = metadata;
  const uid = metadata.uid ?? uidOf({ kind, namespace, name });
  const common = { namespace, name, uid, labels, annotations };
  if (origin.from === 'api-server') {
    const { generation = 0 } = metadata;
    return { ...common, generation, revision: `${uid}:${generation}` };
  }
  return {
    ...common,
    // In a manifest exported from a cluster, edits do not change metadata.generation.
    generation: origin.changedAt ?? metadata.generation ?? 0,
    revision: hash({ apiVersion, kind, name, namespace, labels, annotations, spec: spec ?? {} }).slice(0, 12),
  };
}

/** A UUID that depends on kind, namespace and name alone (version 8 of RFC 9562). */
function uidOf(ref: ObjectRef): string {
  const hex = hash(ref);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-');
}

/** SHA-256 of a value, in hexadecimal; the order of keys does not matter. */
function hash(value: unknown): string {
  return createHash('sha256').update(canonicalText(value)).digest('hex');
}
