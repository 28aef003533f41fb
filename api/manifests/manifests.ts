/**
 * Manifests in files: parsing and validation of all of them together.
 *
 * MANIFESTS-1: never throws, whatever the files hold.
 * MANIFESTS-2: every problem of every file is reported, in the order of the files.
 * MANIFESTS-3: the manifests contain every object without an error, and no other.
 * MANIFESTS-4: an object that is neither read nor invalid is counted by its kind, or a warning.
 */
import { LineCounter } from 'yaml';
import { isMapping } from '../unknown';
import { nameObject, type ObjectFinding, type ReadObject, recognize } from '../kinds';
import { isList, withTypeOf } from './lists';
import type { Manifests } from '../model';
import {
  type Finding,
  formatPath,
  type Locate,
  type ObjectRef,
  type Path,
  type Position,
  type Problem,
  refKey,
} from '../problem';
import { manifestsOf } from '../resource';
import { checkRules } from '../rules';
import { readDocuments, type TextDocument } from './yaml';

/** One file's text. */
export interface ManifestFile {
  /** Name of the file, for messages. */
  path: string;
  text: string;
  /** When the file was last changed, milliseconds since the epoch: the generation of its objects. */
  changedAt?: number;
}

/** What files hold: the valid objects, and everything that is wrong. */
export interface ParsedManifests {
  manifests: Manifests;
  problems: Problem[];
  /** Objects of other products, in the order of their first one. */
  ignored: IgnoredKind[];
  /** Whether everything was read: false if there are more documents than {@link MAX_DOCUMENTS}. */
  isComplete: boolean;
}

/** How many objects of a kind that is not ours were found. */
export interface IgnoredKind {
  apiVersion: string;
  kind: string;
  count: number;
}

/** Bytes of one file, unless the caller says otherwise. */
export const MAX_FILE_SIZE = 2 ** 20;

/** Documents of all files together; each item of a list counts. */
export const MAX_DOCUMENTS = 10_000;

/** One object of a file, valid or not. */
interface FoundObject {
  at: (path: Path, at: Finding['at']) => Position;
  /** With a place of their own where it is not that of the path. */
  findings: (ObjectFinding & { place?: Position })[];
  ref?: ObjectRef;
  read?: ReadObject;
  /** Set for an object of another product. */
  ignored?: Omit<IgnoredKind, 'count'>;
}

/**
 * Reads the manifests of all files: YAML and JSON, several documents a file, `List`s of objects, typed lists such as
 * `VirtualMachineGroupList`. Kinds of other products are counted and ignored.
 *
 * An object that is defined twice is invalid in both places: it is not known which one is meant. Nothing is thrown (MANIFESTS-1).
 *
 * @param options.previous The last valid state: a group's power state may not be emptied once it was set.
 * @param options.maxFileSize Bytes of one file; default {@link MAX_FILE_SIZE}.
 */
export function parseManifests(
  files: readonly ManifestFile[],
  options: { previous?: Manifests; maxFileSize?: number } = {},
): ParsedManifests {
  const { maxFileSize = MAX_FILE_SIZE } = options;
  const count = { left: MAX_DOCUMENTS };
  const objects = files.flatMap((file) => readFile(file, count, maxFileSize));
  const byObject = byRef(objects);
  for (const same of byObject.values()) reportDuplicates(same);
  const locate: Locate = (object, path, at) => byObject.get(refKey(object))?.[0]?.at(path, at);
  const findings = checkRules(collect(objects), {
    ...options,
    locate,
    invalid: objects.flatMap((object) => (object.ref && !isValid(object) ? [object.ref] : [])),
  });
  for (const { object, ...finding } of findings) byObject.get(refKey(object))?.[0]?.findings.push(finding);
  const order = new Map(files.map(({ path }, index) => [path, index]));
  const problems = objects.flatMap(problemsOf).sort((a, b) => compare(a, b, order));
  return {
    manifests: collect(objects),
    problems,
    ignored: countIgnored(objects),
    isComplete: count.left >= 0,
  };
}

function countIgnored(objects: FoundObject[]): IgnoredKind[] {
  const found = new Map<string, IgnoredKind>();
  for (const { ignored } of objects) {
    if (!ignored) continue;
    const key = JSON.stringify([ignored.apiVersion, ignored.kind]);
    const before = found.get(key);
    if (before) before.count += 1;
    else found.set(key, { ...ignored, count: 1 });
  }
  return [...found.values()];
}

function isValid(object: FoundObject): boolean {
  return object.read !== undefined && object.findings.every(({ severity }) => severity !== 'Error');
}

function byRef(objects: FoundObject[]): Map<string, FoundObject[]> {
  const found = new Map<string, FoundObject[]>();
  for (const object of objects) {
    if (!object.ref) continue;
    const same = found.get(refKey(object.ref));
    if (same) same.push(object);
    else found.set(refKey(object.ref), [object]);
  }
  return found;
}

function reportDuplicates(same: FoundObject[]): void {
  if (same.length < 2) return;
  same.forEach(({ findings, ref }, index) => {
    const other = same[index === 0 ? 1 : 0]?.at(['metadata', 'name'], 'value');
    if (!other || !ref) return;
    const message =
      `duplicate object: ${ref.kind} ${ref.namespace}/${ref.name} is at ${other.file}:${other.line}:${other.column} too; ` +
      'neither is used until one is taken out or renamed';
    findings.push({ severity: 'Error', path: ['metadata', 'name'], at: 'value', message });
  });
}

function collect(objects: FoundObject[]): Manifests {
  return manifestsOf(objects.filter(isValid).flatMap(({ read }) => read ?? []));
}

function problemsOf({ at, findings, ref }: FoundObject): Problem[] {
  return findings.map(({ severity, path, at: part, message, place }) => ({
    severity,
    ...(place ?? at(path, part)),
    path: formatPath(path),
    message,
    ...(ref && { object: ref }),
  }));
}

function compare(a: Problem, b: Problem, order: Map<string, number>): number {
  const files = (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0);
  return files || a.line - b.line || a.column - b.column;
}

function readFile(file: ManifestFile, count: { left: number }, maxSize: number): FoundObject[] {
  const size = Buffer.byteLength(file.text);
  if (size > maxSize) {
    const limit = `${maxSize} (${maxSize / 2 ** 20} MiB)`;
    return [fileError(file, `the file has ${size} bytes, at most ${limit} are read: split it`)];
  }
  const lines = new LineCounter();
  const objects: FoundObject[] = [];
  for (const document of readDocuments(file.text, lines)) {
    if (document.value === undefined && document.problems.length === 0) continue;
    for (const object of readDocument(document, file, lines)) {
      count.left -= 1;
      if (count.left < 0) {
        const message = `more than ${MAX_DOCUMENTS} documents in all files: nothing is read from here on`;
        return [...objects, fileError(file, message)];
      }
      objects.push(object);
    }
  }
  return objects;
}

function fileError({ path }: ManifestFile, message: string): FoundObject {
  const start = { file: path, line: 1, column: 1 };
  return { at: () => start, findings: [{ severity: 'Error', path: [], at: 'value', message }] };
}

function readDocument(document: TextDocument, file: ManifestFile, lines: LineCounter): FoundObject[] {
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file: file.path, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const at: FoundObject['at'] = (path, part) => place(document.offsetOf(path, part));
  if (document.problems.length > 0) return [brokenDocument(document, at, place)];
  return readValue(document.value, at, file);
}

/** Reads an object, or each object of a list. */
function readValue(value: unknown, at: FoundObject['at'], file: ManifestFile): FoundObject[] {
  if (!isList(value)) return readObject(value, at, file);
  const { items = [] } = value;
  if (!Array.isArray(items)) {
    const message = 'a list of objects has a list of items';
    return [{ at, findings: [{ severity: 'Error', path: ['items'], at: 'value', message }] }];
  }
  return items.flatMap((item: unknown, index) =>
    readValue(withTypeOf(value, item), (path, part) => at(['items', index, ...path], part), file),
  );
}

/** A document whose text is wrong: it may still tell which object it is about. */
function brokenDocument(
  { value, problems }: TextDocument,
  at: FoundObject['at'],
  place: (offset: number) => Position,
): FoundObject {
  const ref = isMapping(value) && !isList(value) ? nameObject(value) : undefined;
  const findings = problems.map(({ offset, path, message }) => ({
    severity: 'Error' as const,
    path,
    at: 'value' as const,
    message,
    place: place(offset),
  }));
  return { at, findings, ...(ref && { ref }) };
}

function readObject(value: unknown, at: FoundObject['at'], file: ManifestFile): FoundObject[] {
  if (value === null || value === undefined) return [];
  if (isForeign(value)) {
    const message = 'no manifest: it has neither kind nor metadata nor spec; ignored';
    return [{ at, findings: [{ severity: 'Warning', path: [], at: 'value', message }] }];
  }
  if (!isMapping(value)) {
    const message = 'a manifest is a mapping with apiVersion, kind and metadata';
    return [{ at, findings: [{ severity: 'Error', path: [], at: 'value', message }] }];
  }
  const { apiVersion, kind } = value;
  const recognized = recognize(apiVersion, kind);
  const ref = nameObject(value);
  const named = ref && { ref };
  if (recognized.kind !== undefined)
    return [{ at, ...recognized.read(value, { from: 'file', changedAt: file.changedAt }), ...named }];
  if (recognized.mistake) return [{ at, findings: [recognized.mistake], ...named }];
  return [{ at, findings: [], ignored: { apiVersion: textOf(apiVersion), kind: textOf(kind) } }];
}

/** Fields of manifests, one of which each has. */
const LOOKS_LIKE_MANIFEST = ['kind', 'metadata', 'spec'];

/** Whether a value is neither a manifest nor a list of them: values of a chart, a package.json, patches. */
function isForeign(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isForeign);
  return isMapping(value) && !LOOKS_LIKE_MANIFEST.some((field) => Object.hasOwn(value, field));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
