/** What `vmgroup doctor` says about a CustomResourceDefinition: versions, and fields that it has no place for. Pure. */
import { own } from '../../api/own';
import type { KubernetesObject, Resource } from '../../kubernetes';
import type { Finding } from './doctor';

/** A schema as far as it is looked at. */
interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

interface DefinitionSpec {
  versions: { name: string; served: boolean; storage: boolean; schema?: { openAPIV3Schema?: Schema } }[];
}

/** Versions in which manifests may be written, beside the one that we speak. */
const ACCEPTED = ['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'];
const APPLY = 'vmgroup crds | kubectl apply --server-side -f -';

/** A field that definitions other than ours may not have. */
interface OptionalField {
  resource: string;
  path: readonly string[];
  /** What to write instead, or what is lost. */
  remark?: string;
}

/** Fields of the status that VM Operator's own definitions do not have: the bridge leaves them out. */
const STATUS_FIELDS: readonly OptionalField[] = [
  ...['phase', 'message', 'readyMembers', 'observedGeneration'].map((field) => ({
    resource: 'virtualmachinegroups',
    path: ['status', field],
  })),
  {
    resource: 'virtualmachinegroups',
    path: ['status', 'run'],
    remark: 'a bridge that starts does not know what runs came to once Temporal has forgotten them',
  },
];

const POWER_OFF_DELAY =
  'VM Operator serves it in v1alpha6 with its capability TelcoVMServiceAPI; without it all VMs are powered off at once';
const LISTED =
  'is a list of terms with one labelSelector each there, under requiredDuringSchedulingPreferredDuringExecution and preferredDuringSchedulingPreferredDuringExecution';

/** Fields of manifests that the documentation has and VM Operator's own definitions may not have. */
const MANIFEST_FIELDS: readonly OptionalField[] = [
  {
    resource: 'virtualmachinegroups',
    path: ['spec', 'bootOrder', '[]', 'delay'],
    remark: 'write it as powerOnDelay of the next boot group',
  },
  {
    resource: 'virtualmachinegroups',
    path: ['spec', 'bootOrder', '[]', 'powerOffDelay'],
    remark: POWER_OFF_DELAY,
  },
  { resource: 'virtualmachines', path: ['spec', 'groupName'], remark: 'without it no VM can be in a group' },
  ...['vmAffinity', 'vmAntiAffinity'].flatMap((effect) =>
    ['required', 'preferred'].map((strength) => ({
      resource: 'virtualmachines',
      path: ['spec', 'affinity', effect, `${strength}DuringSchedulingIgnoredDuringExecution`],
      remark: `it ${LISTED}`,
    })),
  ),
  ...['zoneAffinity', 'zoneAntiAffinity'].map((effect) => ({
    resource: 'virtualmachines',
    path: ['spec', 'affinity', effect],
    remark: `write it as ${effect.replace('zone', 'vm')} with topologyKey topology.kubernetes.io/zone`,
  })),
];

/** A finding about one definition. */
export type Judgement = Omit<Finding, 'check'>;

/** The definition is missing. */
export function notInstalled({ group, version }: Resource): Judgement {
  return { result: 'problem', message: `not installed in ${group}/${version}`, cure: APPLY };
}

/** Judges an installed definition by the version that we speak. */
export function judgeDefinition({ spec }: KubernetesObject, resource: Resource): Judgement {
  const { versions } = spec as DefinitionSpec;
  const served = versions.filter((each) => each.served).map(({ name }) => name);
  const stored = versions.find(({ storage }) => storage)?.name ?? 'none';
  if (!served.includes(resource.version)) {
    return {
      result: 'problem',
      message: `serves ${served.join(', ')}, and not ${resource.version}, which we speak`,
      cure: `update VM Operator, or where there is none: ${APPLY}`,
    };
  }
  const message = `serves ${served.join(', ')}; stores ${stored}`;
  const schema = versions.find(({ name }) => name === resource.version)?.schema?.openAPIV3Schema;
  const unwritten = absentFields(schema, resource, STATUS_FIELDS);
  const refused = absentFields(schema, resource, MANIFEST_FIELDS);
  const absent = resource.version.startsWith('v1alpha6')
    ? ACCEPTED.filter((each) => !served.includes(each))
    : [];
  const facts = { served, stored, unwritten, refused };
  const notes = [
    ...(absent.length === 0 ? [] : [`manifests in ${absent.join(', ')} are refused`]),
    ...(unwritten.length === 0
      ? []
      : [`its schema has no ${inWords(unwritten)}, so that is left out of the status`]),
    ...(refused.length === 0
      ? []
      : [
          `manifests cannot have ${inWords(refused)}: kubectl refuses them, and clients without strict validation lose these fields without a word`,
        ]),
  ];
  if (notes.length === 0) return { result: 'ok', message, facts };
  return { result: 'note', message: [message, ...notes].join('; '), facts };
}

/** A field that a schema does not have. */
interface AbsentField {
  path: string;
  remark?: string;
}

/** The fields that the schema has no place for. */
function absentFields(
  schema: Schema | undefined,
  { plural }: Resource,
  fields: readonly OptionalField[],
): AbsentField[] {
  return fields
    .filter(({ resource, path }) => resource === plural && !hasPlace(schema, path))
    .map(({ path, remark }) => ({
      path: path.join('.').replaceAll('.[]', '[]'),
      ...(remark !== undefined && { remark }),
    }));
}

function inWords(fields: readonly AbsentField[]): string {
  return fields.map(({ path, remark }) => (remark === undefined ? path : `${path} (${remark})`)).join(', ');
}

function hasPlace(schema: Schema | undefined, [step, ...rest]: readonly string[]): boolean {
  if (!schema) return false;
  if (step === undefined || schema['x-kubernetes-preserve-unknown-fields']) return true;
  return hasPlace(step === '[]' ? schema.items : own(schema.properties, step), rest);
}
