/**
 * Admission: what an API server asks before it stores one object, answered by the rules of `validate`. Pure.
 *
 * ADMISSION-1: only the problems that a request causes deny it. An object that a change of another object made invalid can be updated if that
 *     makes nothing worse; its other problems are warnings.
 * ADMISSION-2: an object that is being deleted can always be updated, so that finalizers come off.
 * ADMISSION-3: never throws, whatever the request holds.
 *
 * Two requests at the same moment may each be valid, and invalid together (both list one member): admission of one does not see the other. The
 * readers of the objects check the rules too, and find such objects.
 */
import { isDeepStrictEqual } from 'node:util';
import { fieldsOf } from './unknown';
import type { ReadObject } from './kinds';
import type { Manifests } from './model';
import { checkRules, neighboursOf } from './rules';
import { own } from './own';
import { type Finding, formatPath, type ObjectRef, type Path, refKey } from './problem';
import { readResource, type Resource } from './resource';
import { firstFew } from './text';

/** The fields of an `AdmissionReview` (admission.k8s.io/v1) that are read. */
export interface AdmissionRequest {
  /** `CREATE`, `UPDATE`, `DELETE` or `CONNECT`. */
  operation?: unknown;
  /** As it is to be stored. */
  object?: unknown;
  /** As it is stored now, on `UPDATE`. */
  oldObject?: unknown;
}

/** The answer to an API server. */
export interface AdmissionVerdict {
  allowed: boolean;
  /** `path: message` of every problem that the request causes; empty if it is allowed. */
  problems: string[];
  /** Shown to the user next to the outcome, for example by kubectl. */
  warnings: string[];
}

/** One operation of a JSON Patch (RFC 6902). */
export interface JsonPatchOperation {
  op: 'add' | 'replace';
  path: string;
  value: unknown;
}

/** Warnings and problems of one answer. An API server cuts off more than some thousand characters. */
const MAX_STATEMENTS = 10;

/**
 * Tells whether an object may be stored.
 *
 * @param known The known valid objects of its namespace, without those that are being deleted. Whether the object itself is among them does not
 *   matter.
 */
export function reviewAdmission(request: AdmissionRequest, known: Manifests): AdmissionVerdict {
  const { operation, object, oldObject } = request;
  if ((operation !== 'CREATE' && operation !== 'UPDATE') || isBeingDeleted(object))
    return { allowed: true, problems: [], warnings: [] };
  const now = readResource(object);
  const before: Resource = operation === 'UPDATE' ? readResource(oldObject) : { findings: [] };
  const ref = now.ref ?? before.ref;
  const rules =
    ref && rulesMatter(before.read, now.read)
      ? ruleFindings(ref, { before: before.read, now: now.read }, known)
      : { before: [], now: [] };
  return verdict(
    [...statementsOf(now.findings), ...statementsOfRules(rules.now, ref)],
    [...statementsOf(before.findings), ...statementsOfRules(rules.before, ref)],
  );
}

/**
 * The changes to an object before it is stored, as VM Operator's webhook makes them: `nextForcePowerStateSyncTime: now` of a group becomes the
 * present time, and an empty value keeps the old one.
 *
 * @param now Milliseconds since the Unix epoch.
 */
export function patchAdmission(request: AdmissionRequest, now: number): JsonPatchOperation[] {
  const { operation, object, oldObject } = request;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return [];
  if (fieldOf(object, 'kind') !== 'VirtualMachineGroup' || isBeingDeleted(object)) return [];
  const spec = fieldOf(object, 'spec');
  const given = fieldOf(spec, FIELD);
  const old = operation === 'UPDATE' ? fieldOf(fieldOf(oldObject, 'spec'), FIELD) : undefined;
  if (typeof given === 'string' && /^now$/i.test(given))
    return [{ op: 'replace', path: `/spec/${FIELD}`, value: new Date(now).toISOString() }];
  if ((given !== undefined && given !== '') || typeof old !== 'string' || old === '') return [];
  return spec === undefined
    ? [{ op: 'add', path: '/spec', value: { [FIELD]: old } }]
    : [{ op: 'add', path: `/spec/${FIELD}`, value: old }];
}

const FIELD = 'nextForcePowerStateSyncTime';

function isBeingDeleted(object: unknown): boolean {
  return fieldOf(fieldOf(object, 'metadata'), 'deletionTimestamp') !== undefined;
}

/** A field of a value that need not be a mapping. */
function fieldOf(value: unknown, name: string): unknown {
  return own(fieldsOf(value), name);
}

/** A problem as text for users. */
interface Statement {
  severity: 'Error' | 'Warning';
  text: string;
  /** Identifies the problem before and after a request. */
  key: string;
  /** A problem of another object, which the request affects. */
  ofAnother?: true;
}

function statementsOf(
  findings: readonly { severity: Statement['severity']; path: Path; message: string }[],
): Statement[] {
  return findings.map(({ severity, path, message }) => {
    const text = withPath(path, message);
    // Places in lists may have moved.
    return { severity, text, key: text.replaceAll(/\[\d+\]/g, '[]') };
  });
}

function withPath(path: Path, message: string): string {
  const at = formatPath(path);
  return at === '' ? message : `${at}: ${message}`;
}

/** Findings of rules, those of other objects with their names. */
function statementsOfRules(findings: readonly Finding[], ref: ObjectRef | undefined): Statement[] {
  return findings.map(({ object, severity, path, message, key = message }) => {
    const text = withPath(path, message);
    if (ref && refKey(object) === refKey(ref)) return { severity, text, key };
    const who = `${object.kind} ${object.namespace}/${object.name}`;
    return { severity, text: `${who}: ${text}`, key: `${who} ${key}`, ofAnother: true };
  });
}

function verdict(now: Statement[], before: Statement[]): AdmissionVerdict {
  const { brought, left } = compare(now, before);
  const errors = brought.filter(({ severity }) => severity === 'Error');
  // A rule between two objects has an error on each: the one of this object is enough.
  const own = errors.filter(({ ofAnother }) => !ofAnother);
  const problems = (own.length > 0 ? own : errors).map(({ text }) => text);
  const stillWrong = left.filter(({ severity, ofAnother }) => severity === 'Error' && !ofAnother);
  const warnings = [
    ...brought.filter(({ severity }) => severity === 'Warning').map(({ text }) => text),
    ...stillWrong.map(({ text }) => `still wrong: ${text}`),
  ];
  return {
    allowed: problems.length === 0,
    problems: firstFew(problems, MAX_STATEMENTS),
    warnings: firstFew(warnings, MAX_STATEMENTS),
  };
}

/** What is there now and was not before, and what was there before too. */
function compare(now: Statement[], before: Statement[]): { brought: Statement[]; left: Statement[] } {
  const keyOf = ({ severity, key }: Statement): string => `${severity} ${key}`;
  const counts = new Map<string, number>();
  for (const word of before) counts.set(keyOf(word), (counts.get(keyOf(word)) ?? 0) + 1);
  const brought: Statement[] = [];
  const left: Statement[] = [];
  for (const word of now) {
    const count = counts.get(keyOf(word)) ?? 0;
    counts.set(keyOf(word), count - 1);
    (count > 0 ? left : brought).push(word);
  }
  return { brought, left };
}

/** Whether rules between objects may say something new. Most updates of VMs set a power state, and there are many. */
function rulesMatter(before: ReadObject | undefined, now: ReadObject | undefined): boolean {
  if (before?.kind !== 'VirtualMachine' || now?.kind !== 'VirtualMachine') return true;
  const [old, wanted] = [before.object, now.object];
  return old.groupName !== wanted.groupName || !isDeepStrictEqual(old.affinity, wanted.affinity);
}

/** What the rules find with the object as it was (or without it) and as it is to be, in the place of its known form. */
function ruleFindings(
  ref: ObjectRef,
  { before, now }: { before: ReadObject | undefined; now: ReadObject | undefined },
  known: Manifests,
): { before: Finding[]; now: Finding[] } {
  const { groups, virtualMachines, strangers } = neighboursOf(
    ref,
    [before, now].filter((read) => read !== undefined),
    known,
  );
  const withForm = (read: ReadObject | undefined): Manifests => ({
    ...known,
    groups: read?.kind === 'VirtualMachineGroup' ? [...groups, read.object] : groups,
    virtualMachines: read?.kind === 'VirtualMachine' ? [read.object] : virtualMachines,
  });
  const [old, wanted] = [withForm(before), withForm(now)];
  // That the strangers are there is all that matters of them.
  return {
    before: checkRules(old, { invalid: strangers }),
    now: checkRules(wanted, { invalid: strangers, previous: old }),
  };
}
