/**
 * Manifests in files: parsing and validation of all of them together.
 *
 * M1: never throws, whatever the files hold.
 * M2: every problem of every file is reported, in the order of the files.
 * M3: nothing of an object with an error is among the manifests; every object without one is.
 */
import { LineCounter } from 'yaml';
import { nameObject, type ObjectFinding, type ReadObject, recognize } from './kinds';
import type { Manifests } from './model';
import {
  type Finding,
  formatPath,
  type Locate,
  type ObjectRef,
  type Path,
  type Position,
  type Problem,
  refKey,
} from './problem';
import { manifestsOf } from './resource';
import { checkRules } from './rules';
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
}

/** Bytes of one file. */
export const MAX_FILE_SIZE = 2 ** 20;

/** Documents of all files together; each item of a List counts. */
export const MAX_DOCUMENTS = 10_000;

/** One object of a file, valid or not. */
interface Entry {
  at: (path: Path, at: Finding['at']) => Position;
  /** With a place of their own where it is not that of the path. */
  findings: (ObjectFinding & { place?: Position })[];
  ref?: ObjectRef;
  read?: ReadObject;
}

/**
 * Reads the manifests of all files: YAML and JSON, several documents a file, `List`s of objects. Kinds of other products are ignored.
 *
 * An object that is there twice is invalid in both places: which of them is meant is not known. Nothing is thrown (M1).
 *
 * @param options.previous The last valid state: a group's power state may not be emptied once it was set.
 */
export function parseManifests(
  files: readonly ManifestFile[],
  options: { previous?: Manifests } = {},
): ParsedManifests {
  const count = { left: MAX_DOCUMENTS };
  const entries = files.flatMap((file) => readFile(file, count));
  const byObject = byRef(entries);
  for (const same of byObject.values()) reportDuplicates(same);
  const locate: Locate = (object, path, at) => byObject.get(refKey(object))?.[0]?.at(path, at);
  const findings = checkRules(collect(entries), {
    ...options,
    locate,
    invalid: entries.flatMap(({ ref, ...entry }) => (ref && !isValid({ ref, ...entry }) ? [ref] : [])),
  });
  for (const { object, ...finding } of findings) byObject.get(refKey(object))?.[0]?.findings.push(finding);
  const order = new Map(files.map(({ path }, index) => [path, index]));
  const problems = entries.flatMap(problemsOf).sort((a, b) => compare(a, b, order));
  return { manifests: collect(entries), problems };
}

function isValid(entry: Entry): boolean {
  return entry.read !== undefined && entry.findings.every(({ severity }) => severity !== 'Error');
}

function byRef(entries: Entry[]): Map<string, Entry[]> {
  const found = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (!entry.ref) continue;
    const same = found.get(refKey(entry.ref));
    if (same) same.push(entry);
    else found.set(refKey(entry.ref), [entry]);
  }
  return found;
}

function reportDuplicates(same: Entry[]): void {
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

function collect(entries: Entry[]): Manifests {
  return manifestsOf(entries.filter(isValid).flatMap(({ read }) => read ?? []));
}

function problemsOf({ at, findings, ref }: Entry): Problem[] {
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

function readFile(file: ManifestFile, count: { left: number }): Entry[] {
  const size = Buffer.byteLength(file.text);
  if (size > MAX_FILE_SIZE) {
    return [
      fileError(file, `the file has ${size} bytes, at most ${MAX_FILE_SIZE} (1 MiB) are read: split it`),
    ];
  }
  const lines = new LineCounter();
  const entries: Entry[] = [];
  for (const document of readDocuments(file.text, lines)) {
    if (document.value === undefined && document.problems.length === 0) continue;
    for (const entry of readDocument(document, file, lines)) {
      count.left -= 1;
      if (count.left < 0) {
        const message = `more than ${MAX_DOCUMENTS} documents in all files: nothing is read from here on`;
        return [...entries, fileError(file, message)];
      }
      entries.push(entry);
    }
  }
  return entries;
}

function fileError({ path }: ManifestFile, message: string): Entry {
  const start = { file: path, line: 1, column: 1 };
  return { at: () => start, findings: [{ severity: 'Error', path: [], at: 'value', message }] };
}

function readDocument(document: TextDocument, file: ManifestFile, lines: LineCounter): Entry[] {
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file: file.path, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const at: Entry['at'] = (path, part) => place(document.offsetOf(path, part));
  if (document.problems.length > 0) return [brokenDocument(document, at, place)];
  const items = itemsOf(document.value);
  if (!items) return readObject(document.value, at, file);
  return items.flatMap((item, index) =>
    readObject(item, (path, part) => at(['items', index, ...path], part), file),
  );
}

/** A document whose text is wrong: it may still tell which object it is about. */
function brokenDocument(
  { value, problems }: TextDocument,
  at: Entry['at'],
  place: (offset: number) => Position,
): Entry {
  const ref = isMapping(value) && !itemsOf(value) ? nameObject(value) : undefined;
  const findings = problems.map(({ offset, path, message }) => ({
    severity: 'Error' as const,
    path,
    at: 'value' as const,
    message,
    place: place(offset),
  }));
  return { at, findings, ...(ref && { ref }) };
}

/** The items of a `List`, as `kubectl get -o yaml` writes it. */
function itemsOf(value: unknown): unknown[] | undefined {
  if (!isMapping(value) || value['kind'] !== 'List' || value['apiVersion'] !== 'v1') return undefined;
  return Array.isArray(value['items']) ? value['items'] : undefined;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readObject(value: unknown, at: Entry['at'], file: ManifestFile): Entry[] {
  if (value === null || value === undefined) return [];
  if (!isMapping(value)) {
    const message = 'a manifest is a mapping with apiVersion, kind and metadata';
    return [{ at, findings: [{ severity: 'Error', path: [], at: 'value', message }] }];
  }
  const recognized = recognize(value['apiVersion'], value['kind']);
  const ref = nameObject(value);
  if (recognized.kind === undefined) {
    return recognized.mistake ? [{ at, findings: [recognized.mistake], ...(ref && { ref }) }] : [];
  }
  return [
    { at, ...recognized.read(value, { from: 'file', changedAt: file.changedAt }), ...(ref && { ref }) },
  ];
}
