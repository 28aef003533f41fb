/** What an installed CustomResourceDefinition serves, stores and lacks. Pure. */
import { own } from '../../api/own';
import type { KubernetesObject, Resource } from '../../kubernetes';
import type { Judgement } from './check-result';
import { MANIFEST_FIELDS, STATUS_FIELDS, type OptionalField } from './optional-fields';

/** A schema, as far as it is read. */
interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

interface DefinitionSpec {
  versions: { name: string; served: boolean; storage: boolean; schema?: { openAPIV3Schema?: Schema } }[];
}

/** Versions of manifests besides the one that we use. */
const ACCEPTED = ['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'];
const APPLY = 'vmgroup crds | kubectl apply --server-side -f -';

/** The definition is missing. */
export function notInstalled({ group, version }: Resource): Judgement {
  return { result: 'problem', message: `not installed in ${group}/${version}`, cure: APPLY };
}

/** Judges an installed definition by the version that we use. */
export function judgeDefinition({ spec }: KubernetesObject, resource: Resource): Judgement {
  const { versions } = spec as DefinitionSpec;
  const served = versions.filter((each) => each.served).map(({ name }) => name);
  const stored = versions.find(({ storage }) => storage)?.name ?? 'none';
  if (!served.includes(resource.version)) {
    return {
      result: 'problem',
      message: `serves ${served.join(', ')}, but not ${resource.version}, which we use`,
      cure: `update VM Operator, or without VM Operator: ${APPLY}`,
    };
  }
  const schema = versions.find(({ name }) => name === resource.version)?.schema?.openAPIV3Schema;
  const unwritten = absentFields(schema, resource, STATUS_FIELDS);
  const refused = absentFields(schema, resource, MANIFEST_FIELDS);
  const notes = [
    ...unservedVersions(served, resource),
    ...(unwritten.length === 0
      ? []
      : [`its schema has no ${fieldList(unwritten)}, so the bridge omits that from the status`]),
    ...(refused.length === 0
      ? []
      : [
          `manifests cannot have ${fieldList(refused)}: kubectl refuses them, and clients without strict validation lose these fields silently`,
        ]),
  ];
  return {
    result: notes.length === 0 ? 'ok' : 'note',
    message: [`serves ${served.join(', ')}; stores ${stored}`, ...notes].join('; '),
    facts: { served, stored, unwritten, refused },
  };
}

function unservedVersions(served: readonly string[], { version }: Resource): string[] {
  if (!version.startsWith('v1alpha6')) return [];
  const absent = ACCEPTED.filter((each) => !served.includes(each));
  return absent.length === 0 ? [] : [`manifests in ${absent.join(', ')} are refused`];
}

/** A field that a schema lacks. */
interface AbsentField {
  path: string;
  remark?: string;
}

function absentFields(
  schema: Schema | undefined,
  { plural }: Resource,
  fields: readonly OptionalField[],
): AbsentField[] {
  return fields
    .filter(({ resource, path }) => resource === plural && !hasField(schema, path))
    .map(({ path, remark }) => ({
      path: path.join('.').replaceAll('.[]', '[]'),
      ...(remark !== undefined && { remark }),
    }));
}

function fieldList(fields: readonly AbsentField[]): string {
  return fields.map(({ path, remark }) => (remark === undefined ? path : `${path} (${remark})`)).join(', ');
}

function hasField(schema: Schema | undefined, [step, ...rest]: readonly string[]): boolean {
  if (!schema) return false;
  if (step === undefined || schema['x-kubernetes-preserve-unknown-fields']) return true;
  return hasField(step === '[]' ? schema.items : own(schema.properties, step), rest);
}
