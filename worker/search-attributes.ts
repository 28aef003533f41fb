/**
 * Registers the search attributes that runs carry.
 *
 * Temporal answers OK when an attribute is added that exists with another type, and changes nothing. So the types are compared afterwards: a
 * wrong type would otherwise be noticed only when workflow starts are refused.
 */
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { own } from '../api';
import { SEARCH_ATTRIBUTE_TYPES } from '../contract';
import { addressFlag, type TemporalTarget } from './connection';

const { IndexedValueType } = temporal.api.enums.v1;
type Type = temporal.api.enums.v1.IndexedValueType;

/** Where attributes are. */
type AttributesTarget = Pick<TemporalTarget, 'address' | 'namespace'>;

/** What is wrong with the search attributes of a namespace; nothing if both lists are empty. */
export interface SearchAttributeProblems {
  missing: string[];
  wrongType: { name: string; wanted: string; found: string }[];
}

/** Compares the search attributes of a namespace with those that runs carry. */
export async function checkSearchAttributes(
  client: Client,
  namespace: string,
): Promise<SearchAttributeProblems> {
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
  const problems: SearchAttributeProblems = { missing: [], wrongType: [] };
  for (const [name, wanted] of Object.entries(SEARCH_ATTRIBUTE_TYPES)) {
    const found = own(customAttributes, name);
    if (found === undefined) problems.missing.push(name);
    else if (found !== typeNumber(wanted)) problems.wrongType.push({ name, wanted, found: typeName(found) });
  }
  return problems;
}

/**
 * Adds the search attributes that are missing in a namespace.
 *
 * @throws SearchAttributeError when one exists with another type, when the server refuses to add one, or when it is still missing afterwards.
 */
export async function registerSearchAttributes(client: Client, target: AttributesTarget): Promise<void> {
  const { namespace } = target;
  const before = await checkSearchAttributes(client, namespace);
  const refusal = before.missing.length > 0 ? await add(client, namespace, before.missing) : undefined;
  const after = before.missing.length > 0 ? await checkSearchAttributes(client, namespace) : before;
  if (after.missing.length + after.wrongType.length > 0)
    throw new SearchAttributeError(target, after, refusal);
}

/** Codes of answers that another attempt would get too. */
const REFUSALS: ReadonlySet<unknown> = new Set([
  grpcStatus.INVALID_ARGUMENT,
  grpcStatus.FAILED_PRECONDITION,
  grpcStatus.PERMISSION_DENIED,
  grpcStatus.UNIMPLEMENTED,
]);

/** Adds search attributes. @returns why the server refuses that; undefined: it does not. */
async function add(client: Client, namespace: string, names: readonly string[]): Promise<string | undefined> {
  const searchAttributes = Object.fromEntries(
    names.map((name) => [name, typeNumber(own(SEARCH_ATTRIBUTE_TYPES, name) ?? 'Keyword')]),
  );
  try {
    await client.connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    return undefined;
  } catch (error: unknown) {
    if (error instanceof Error && 'code' in error && REFUSALS.has(error.code)) return error.message;
    throw error;
  }
}

/** Thrown when the search attributes of a namespace cannot be corrected automatically. */
export class SearchAttributeError extends Error {
  override readonly name = 'SearchAttributeError';
  /** What is wrong. */
  readonly problem: string;
  /** What an administrator has to do. */
  readonly cure: string;

  constructor(
    target: AttributesTarget,
    readonly problems: SearchAttributeProblems,
    /** Why the server does not add those that are missing, in its words. */
    refusal?: string,
  ) {
    const { namespace } = target;
    const wrong = problems.wrongType.map(({ name, wanted, found }) => `${name} is ${found}, not ${wanted}`);
    const missing = problems.missing.map((name) => `${name} is missing`);
    const refused = refusal === undefined ? [] : [`Temporal refuses to add them: ${refusal}`];
    const problem = `search attributes of the Temporal namespace ${namespace}: ${[...wrong, ...missing, ...refused].join('; ')}`;
    const what = cure(target, problems);
    super(`${problem}. ${what}`);
    this.problem = problem;
    this.cure = what;
  }
}

function cure(
  { address, namespace }: AttributesTarget,
  { wrongType, missing }: SearchAttributeProblems,
): string {
  const command = (verb: string): string =>
    `temporal operator search-attribute ${verb}${addressFlag(address)} --namespace ${namespace}`;
  const steps = [
    ...wrongType.map(({ name }) => `${command('remove')} --name ${name}`),
    ...[...wrongType.map(({ name }) => name), ...missing].map(
      (name) => `${command('create')} --name ${name} --type ${own(SEARCH_ATTRIBUTE_TYPES, name)}`,
    ),
  ];
  return `An administrator of Temporal runs: ${steps.join(' && ')}`;
}

function typeNumber(type: 'Keyword' | 'KeywordList'): Type {
  return type === 'Keyword'
    ? IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    : IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST;
}

/** `INDEXED_VALUE_TYPE_KEYWORD_LIST` as `KeywordList`. */
function typeName(type: Type): string {
  const name = IndexedValueType[type] ?? String(type);
  return name
    .replace('INDEXED_VALUE_TYPE_', '')
    .toLowerCase()
    .replace(/(^|_)([a-z])/g, (_match, _bar, letter: string) => letter.toUpperCase());
}
