/** What an installed CustomResourceDefinition serves, stores and lacks. Pure. */
import { own } from '../../api/own';
import type { KubernetesObject, Resource } from '../../kubernetes';
import type { Judgement } from './check-result';
import { MANIFEST_FIELDS, STATUS_FIELDS, type OptionalField } from './optional-fields';

/** The fields of a schema that are read. */
interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

interface DefinitionSpec {
  versions: { name: string; served: boolean; storage: boolean; schema?: { openAPIV3Schema?: Schema } }[];
}

const APPLY = 'vmgroup crds | kubectl apply --server-side -f -';

/** The definition is missing. */
export function notInstalled(resource: Resource): Judgement {
  return { result: 'problem', message: `not installed in ${versionsOf(resource)}`, cure: APPLY };
}

/** Judges an installed definition by the version that is used: the newest one that is served of those that we know. */
export function judgeDefinition({ spec }: KubernetesObject, resource: Resource): Judgement {
  const { versions } = spec as DefinitionSpec;
  const served = versions.filter((each) => each.served).map(({ name }) => name);
  const stored = versions.find(({ storage }) => storage)?.name ?? 'none';
  const used = knownVersions(resource).find((version) => served.includes(version));
  if (used === undefined) {
    return {
      result: 'problem',
      message: `serves ${served.join(', ')}, but not ${versionsOf(resource)}, one of which vmgroup needs`,
      cure: `update VM Operator, or without VM Operator: ${APPLY}`,
    };
  }
  const schema = versions.find(({ name }) => name === used)?.schema?.openAPIV3Schema;
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

function unservedVersions(served: readonly string[], resource: Resource): string[] {
  const absent = knownVersions(resource).filter((each) => !served.includes(each));
  return absent.length === 0 ? [] : [`manifests in ${absent.toReversed().join(', ')} are refused`];
}

/** The newest first. */
function knownVersions({ version, olderVersions = [] }: Resource): string[] {
  return [version, ...olderVersions];
}

function versionsOf(resource: Resource): string {
  return knownVersions(resource)
    .toReversed()
    .map((version) => `${resource.group}/${version}`)
    .join(', ');
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
