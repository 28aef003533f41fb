/** Turns the JSON Schema of a zod schema into a structural schema, which is what a CustomResourceDefinition takes. */
import { z } from 'zod';
import { present } from '../kinds';

/** A structural schema (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/). */
export interface StructuralSchema {
  type?: string;
  properties?: Record<string, StructuralSchema>;
  additionalProperties?: StructuralSchema;
  items?: StructuralSchema;
  [keyword: string]: unknown;
}

/** The JSON Schema that zod makes. */
interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  [keyword: string]: unknown;
}

/**
 * The structural schema of what people write.
 *
 * - A field that takes a number or a text becomes int-or-string.
 * - A field that takes one mapping or a list of them has no type: no structural schema says "one or the other". What it holds is kept
 *   as it is written, and its content is left to admission.
 * - A mapping that passes unknown fields keeps them; of all others the API server drops them, or refuses them where it is asked to be strict.
 *
 * @throws Error where a schema holds something that has no form here.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  return toStructural(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema);
}

/** Keywords that become something else here, or nothing. */
const TURNED = [
  '$schema',
  'propertyNames',
  'type',
  'properties',
  'additionalProperties',
  'items',
  'anyOf',
  'minimum',
  'maximum',
];

function toStructural(schema: JsonSchema): StructuralSchema {
  const { type, properties, additionalProperties, items, anyOf, minimum, maximum } = schema;
  const rest = withoutKeywords(schema, TURNED);
  if (anyOf) return { ...eitherOf(anyOf), ...rest };
  if (Array.isArray(type)) return { ...eitherOf(type.map((one) => ({ type: one }))), ...rest };
  return {
    ...rest,
    ...present({
      type,
      format: type === 'integer' ? 'int64' : rest['format'],
      // zod bounds whole numbers by what JavaScript can count.
      minimum: minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum,
      maximum: maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum,
      items: items && toStructural(items),
      properties: properties && mapped(properties),
    }),
    ...openness(properties !== undefined, additionalProperties),
  };
}

/** The other keywords of a schema. */
export function withoutKeywords(schema: object, keywords: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !keywords.includes(keyword)));
}

function mapped(properties: Record<string, JsonSchema>): Record<string, StructuralSchema> {
  return Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, toStructural(field)]));
}

function openness(
  hasFields: boolean,
  additional: boolean | JsonSchema | undefined,
): Partial<StructuralSchema> {
  if (typeof additional !== 'object') return {};
  const isAnything = Object.keys(additional).length === 0;
  if (isAnything) return { 'x-kubernetes-preserve-unknown-fields': true };
  if (hasFields) throw new Error('a structural schema has either fields or a map of values, not both');
  return { additionalProperties: toStructural(additional) };
}

/** A union of a number and a text, each with checks of its own, or of a mapping and a list. */
function eitherOf(branches: JsonSchema[]): StructuralSchema {
  const types = branches.map(({ type }) => (type === 'integer' ? 'number' : type)).sort();
  switch (types.join()) {
    case 'number,string':
      // A bound is about numbers, a pattern about texts: each leaves the other alone.
      return { 'x-kubernetes-int-or-string': true, ...checksOf(branches) };
    case 'array,object':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    default:
      throw new Error(`a field that is one of ${types.join(', ')} has no structural schema`);
  }
}

function checksOf(branches: JsonSchema[]): StructuralSchema {
  return withoutKeywords(Object.assign({}, ...branches.map(toStructural)) as object, ['type', 'format']);
}
