/** Building blocks of the schemas, and the messages for values that do not match. */
import { z } from 'zod';
import { parseDuration } from '../duration';
import { own } from '../own';
import type { Path } from '../problem';
import { parseQuantity } from './quantity';
import { durationChecks, nameChecks, optionalNameChecks, positiveDurationChecks } from './server-checks';
import { closest, didYouMean } from './suggest';

/** A mapping that refuses unknown fields. */
export function fields<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    // zod reports all unknown fields in one issue: one line for each, in the order of `keys`.
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((name) => unknownField(name, known)).join('\n')
        : undefined,
  });
}

function unknownField(name: string, known: readonly string[]): string {
  return `unknown field${didYouMean(name, known) || `; the fields here are ${[...known].sort().join(', ')}`}`;
}

const DURATION_LIKE = 'a duration such as "30s" or "1m30s"';

/** A Go duration string that is not negative. */
export const duration = durationText((ms) => ms >= 0, 'must not be negative').meta(durationChecks);

/** A Go duration string greater than zero. */
export const positiveDuration = durationText((ms) => ms > 0, 'must be longer than 0s').meta(
  positiveDurationChecks,
);

function durationText(allowed: (ms: number) => boolean, rule: string) {
  return z
    .string({ error: ({ input }) => expected(DURATION_LIKE, input) + inSeconds(input) })
    .superRefine((text, context) =>
      check(context, () => {
        if (!allowed(parseDuration(text)))
          throw new Error(`invalid duration ${JSON.stringify(text)}: ${rule}`);
      }),
    );
}

function inSeconds(input: unknown): string {
  return typeof input === 'number' && input >= 0 ? `; write "${input}s"` : '';
}

/** An amount of bytes: a number, or a Kubernetes quantity. */
export const quantity = z
  .union([z.string(), z.number()], {
    error: ({ input }) => expected('a quantity such as "64Gi" or a number of bytes', input),
  })
  .superRefine((amount, context) => check(context, () => parseQuantity(amount)));

/** Longest name of an object (RFC 1123, as Kubernetes has it). */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;
const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** The name of an object: a DNS-1123 subdomain. */
export const name = z
  .string()
  .superRefine((text, context) => check(context, () => checkName(text)))
  .meta(nameChecks);

/** The name of an object; empty if absent. */
export const optionalName = z
  .string()
  .superRefine((text, context) => check(context, () => text === '' || checkName(text)))
  .meta(optionalNameChecks);

/** The name of a namespace: a DNS-1123 label. */
export const namespaceName = z.string().superRefine((text, context) =>
  check(context, () => {
    checkName(text);
    if (text.includes('.'))
      throw new Error(`invalid namespace ${JSON.stringify(text)}: it cannot hold a "."`);
    if (text.length > LONGEST_LABEL) {
      throw new Error(
        `invalid namespace: ${text.length} characters long, at most ${LONGEST_LABEL} are allowed`,
      );
    }
  }),
);

/** @throws Error when `text` is not a DNS-1123 subdomain (RFC 1123; `k8s.io/apimachinery/pkg/util/validation`). */
function checkName(text: string): void {
  if (text.length > LONGEST_NAME) {
    throw new Error(`invalid name: ${text.length} characters long, at most ${LONGEST_NAME} are allowed`);
  }
  if (isName(text)) return;
  const tidy = text
    .toLowerCase()
    .replace(/[\s_/]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  const cure = tidy !== text && isName(tidy) ? `; did you mean ${JSON.stringify(tidy)}?` : '';
  throw new Error(
    `invalid name ${JSON.stringify(text)}: a name has lower case letters, digits, "-" and ".", ` +
      `and begins and ends with a letter or digit${cure}`,
  );
}

/** Whether a text is a DNS-1123 subdomain, apart from its length. */
export function isName(text: string): boolean {
  return text.split('.').every((label) => LABEL.test(label));
}

function check(context: z.core.$RefinementCtx, verify: () => unknown): void {
  try {
    verify();
  } catch (error: unknown) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
  }
}

const labels = z.record(z.string(), z.string());

const metadataShape = {
  name: name.describe('Name of the object, unique among those of its kind in the namespace.'),
  namespace: namespaceName.optional().describe('Namespace of the object; `default` where it is left out.'),
  labels: labels.optional().describe('Labels, by which affinity rules select VMs.'),
  annotations: labels
    .optional()
    .describe('Annotations. `vmgroup.dev/policy` on a group names its SequencePolicy.'),
  uid: z.string().optional().describe('Set by an API server.'),
  generation: z.int().optional().describe('Set by an API server.'),
};

/** Fields of `metadata` that an API server sets. They are ignored. */
const serverFields = [
  'generateName',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
] as const;

/** `metadata` of kinds whose fields are all known. */
export const metadata = fields({
  ...Object.fromEntries(serverFields.map((field) => [field, z.unknown().optional()])),
  ...metadataShape,
}).describe('Standard metadata.');

/** `metadata` of kinds of which only some fields are read. */
export const looseMetadata = z.looseObject(metadataShape).describe('Standard metadata.');

/** A value that does not match its schema. */
export interface Mismatch {
  path: Path;
  at: 'key' | 'value';
  message: string;
  /** The schema has no such field. */
  unknownField?: true;
}

/** Parses a value with its schema. Returns the value, or every mismatch. */
export function readBySchema<T>(
  schema: z.ZodType<T>,
  value: unknown,
): { value: T; mismatches?: undefined } | { mismatches: Mismatch[] } {
  const result = schema.safeParse(value, { error: messageOf, reportInput: true });
  return result.success
    ? { value: result.data }
    : { mismatches: result.error.issues.flatMap((i) => toMismatches(i, [])) };
}

function toMismatches(issue: z.core.$ZodIssue, above: Path): Mismatch[] {
  const path = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n');
    return issue.keys.map((key, index) => ({
      path: [...path, key],
      at: 'key',
      unknownField: true,
      message: messages[index] ?? '',
    }));
  }
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue);
    if (meant) return meant.flatMap((inner) => toMismatches(inner, path));
  }
  return [{ path, at: 'value', message: issue.message }];
}

/** The issues of the branch of a union that has the type of the value. Those of the other branches do not help. */
function meantBranch(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const sameType = issue.errors.filter(
    (branch) => !branch.some((inner) => inner.path.length === 0 && isTypeIssue(inner)),
  );
  return sameType.sort((a, b) => a.length - b.length)[0];
}

function isTypeIssue(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' || (issue.code === 'invalid_value' && typeof issue.input !== 'string');
}

/** The message of an issue if its schema defines none. */
function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return expected(own(TYPES, String(issue.expected)) ?? String(issue.expected), issue.input);
    case 'invalid_value':
      return unsupported(issue.input, (issue.values as unknown[]).map(String));
    case 'too_small':
      if (issue.origin === 'array') return `must have at least ${String(issue.minimum)} item`;
      if (issue.origin === 'string') return 'must not be empty';
      return `must be at least ${String(issue.minimum)}, found ${describe(issue.input)}`;
    case 'too_big':
      if (issue.origin === 'array') return `must have at most ${String(issue.maximum)} items`;
      return `must be at most ${String(issue.maximum)}, found ${describe(issue.input)}`;
    default:
      return undefined;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** `expected a string, found the number 30`, or that the field is required. */
export function expected(what: string, input: unknown): string {
  if (input === undefined)
    return Object.values(TYPES).includes(what) ? 'required field is missing' : `required: ${what}`;
  const quotes = what === TYPES['string'] && typeof input !== 'object' ? '; put it in quotes' : '';
  return `expected ${what}, found ${describe(input)}${quotes}`;
}

function unsupported(input: unknown, values: readonly string[]): string {
  const supported = `supported values are ${values.join(', ')}`;
  if (input === undefined) return `required: ${supported}`;
  const meant = typeof input === 'string' ? closest(input, values) : undefined;
  return `unsupported value ${describe(input)}${meant ? `; did you mean "${meant}"?` : `: ${supported}`}`;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  return typeof value === 'number' ? `the number ${value}` : JSON.stringify(value);
}
