/**
 * Reads YAML (and so JSON) text into plain values of which each part's place in the text is known.
 *
 * YAML-1: never throws, whatever the text.
 * YAML-2: the work and the result are bounded by {@link MAX_NODES}, however aliases and merge keys multiply (YAML bombs), and by
 *     {@link MAX_ERRORS}: what is no YAML at all can have an error for each character.
 */
import {
  Composer,
  type CST,
  type Document,
  type ErrorCode,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  type YAMLMap,
} from 'yaml';
import type { Path } from '../problem';

/** Values that the documents of one file may expand to. A megabyte without aliases holds about half as many. */
const MAX_NODES = 1_000_000;

/** Levels of nesting. Manifests have about ten. */
const MAX_DEPTH = 100;

/** Errors of a text after which nothing more of it is read, and problems of a document that are kept. */
const MAX_ERRORS = 100;

/** Code of the error of a text that is nested too deeply for the stack. */
const TOO_LARGE: ErrorCode = 'RESOURCE_EXHAUSTION';

/** Something wrong with the text itself. */
export interface TextProblem {
  /** Index into the text, from 0. */
  offset: number;
  path: Path;
  message: string;
}

/** One document of a text. */
export interface TextDocument {
  /**
   * The content as plain objects, lists and scalars. Keys whose value is null are left out: Kubernetes takes them for absent.
   * `undefined` for an empty document, and where nothing could be read.
   */
  value: unknown;
  /** A document with problems is not to be acted on; `value` then serves to name its object. */
  problems: TextProblem[];
  /**
   * Index into the text of what stands at `path`, or of the nearest thing above it. `key`: its key, `value`: its value where it has one.
   */
  offsetOf: (path: Path, at: 'key' | 'value') => number;
}

/** What is left of {@link MAX_NODES}; shared by the documents of a file. */
interface Budget {
  left: number;
}

/** The documents of a text, one by one, so that the caller can stop. Tells the line counter of each line. */
export function* readDocuments(text: string, lines: LineCounter): Generator<TextDocument> {
  const budget: Budget = { left: MAX_NODES };
  let cutAt: number | undefined;
  const documents = composeDocuments(text, lines, (offset) => (cutAt = offset));
  for (const document of documents) yield readDocument(document, budget);
  if (cutAt !== undefined) yield cutOff(cutAt);
}

/** The content of a text of one document, null for an empty one; undefined where it is no YAML, or more than one document. */
export function readOneDocument(text: string): unknown {
  const [first, second] = readDocuments(text, new LineCounter());
  if (second !== undefined || (first && first.problems.length > 0)) return undefined;
  return first?.value ?? null;
}

/** Stands for what was not read, which may hold anything. */
function cutOff(offset: number): TextDocument {
  const message = `more than ${MAX_ERRORS} errors: nothing is read from here on`;
  return { value: undefined, problems: [{ offset, path: [], message }], offsetOf: () => offset };
}

/** The syntax trees of a text's documents, one by one. `onCut`: called with the place from which on nothing is read ({@link MAX_ERRORS}). */
export function* composeDocuments(
  text: string,
  lines?: LineCounter,
  onCut: (offset: number) => void = () => undefined,
): Generator<Document.Parsed> {
  const composer = new Composer({
    // Both are done below, in linear time.
    uniqueKeys: false,
    merge: false,
    resolveKnownTags: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  limitErrors(composer);
  const parser = new Parser(lines?.addNewLine);
  yield* composer.compose(untilTooManyErrors(parser.parse(text), onCut), true, text.length);
}

function* untilTooManyErrors(
  tokens: Iterable<CST.Token>,
  onCut: (offset: number) => void,
): Generator<CST.Token> {
  let errors = 0;
  for (const token of tokens) {
    if (token.type === 'error') errors += 1;
    if (errors > MAX_ERRORS) return onCut(token.offset);
    yield token;
  }
}

/** What a composer calls for each error and warning, and the errors of the document that it is at. Its types keep both to themselves. */
interface Reporting {
  errors: readonly unknown[];
  onError: (source: unknown, code: unknown, message: unknown, warning?: boolean) => void;
}

/** An error takes a trace of the stack, which costs more than the text that it is about. Nobody reads the warnings. */
function limitErrors(composer: Composer): void {
  const reporting = composer as unknown as Reporting;
  const { onError } = reporting;
  reporting.onError = (source, code, message, warning = false) => {
    if (warning) return;
    if (reporting.errors.length < MAX_ERRORS || code === TOO_LARGE) onError(source, code, message);
  };
}

function readDocument(document: Document.Parsed, budget: Budget): TextDocument {
  const root: Node | null = document.contents;
  const start = root?.range?.[0] ?? document.range[0];
  const problems = syntaxProblems(document);
  if (document.errors.some(({ code }) => code === TOO_LARGE)) {
    const message = tooDeep();
    return { value: undefined, problems: [{ offset: start, path: [], message }], offsetOf: () => start };
  }
  const links = new Map<Node, Node>();
  let value: unknown;
  try {
    link(root, { anchors: new Map(), links, problems, budget }, [], 0);
    value = toPlain(root, { links, budget }, 0);
  } catch (error: unknown) {
    if (!(error instanceof TooMuch)) throw error;
    problems.push({ offset: start, path: [], message: error.message });
  }
  return { value, problems, offsetOf: (path, at) => locate(root, path, at, links) ?? start };
}

function syntaxProblems(document: Document.Parsed): TextProblem[] {
  return document.errors.map(({ pos, message }) => ({
    offset: pos[0],
    path: [],
    message: `not valid YAML: ${message}`,
  }));
}

/** A text that is refused for its size or depth. */
class TooMuch extends Error {}

function tooDeep(): string {
  return `nested too deeply: at most ${MAX_DEPTH} levels are read`;
}

interface Linking {
  anchors: Map<string, Node>;
  links: Map<Node, Node>;
  problems: TextProblem[];
  budget: Budget;
}

/** One walk in the order of the text: ties each alias to its anchor, finds keys that are there twice or are no plain text. */
function link(node: unknown, linking: Linking, path: Path, depth: number): void {
  if (depth > MAX_DEPTH) throw new TooMuch(tooDeep());
  if (isAlias(node)) {
    const target = linking.anchors.get(node.source);
    if (target) linking.links.set(node, target);
    else report(linking, node, path, `alias *${node.source} has no anchor &${node.source} before it`);
    return;
  }
  if ((isScalar(node) || isCollection(node)) && node.anchor) linking.anchors.set(node.anchor, node);
  if (isMap(node)) linkMap(node, linking, path, depth);
  else if (isSeq(node)) node.items.forEach((item, index) => link(item, linking, [...path, index], depth + 1));
}

function linkMap(map: YAMLMap, linking: Linking, path: Path, depth: number): void {
  const seen = new Set<string>();
  for (const { key, value } of map.items) {
    const name = keyName(key);
    if (name === undefined) {
      report(linking, key as Node, path, 'a key must be plain text');
      continue;
    }
    if (isScalar(key) && key.anchor) linking.anchors.set(key.anchor, key as Node);
    const below = [...path, name];
    if (!isMergeKey(key)) {
      if (seen.has(name))
        report(linking, key as Node, below, 'duplicate key: it is set twice in this mapping');
      seen.add(name);
    }
    link(value, linking, below, depth + 1);
    if (!isMergeKey(key)) continue;
    const sources = mergeSources(value, linking.links);
    spend(linking.budget, depth, sources?.length);
    if (!sources) {
      report(linking, key as Node, below, 'a merge key takes an alias of a mapping, or a list of them');
    }
  }
}

function report(linking: Linking, node: Node, path: Path, message: string): void {
  if (linking.problems.length < MAX_ERRORS)
    linking.problems.push({ offset: node.range?.[0] ?? 0, path, message });
}

/** The text of a key; `undefined` where it is a list, a mapping or an alias. */
function keyName(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined;
  return typeof key.value === 'string' ? key.value : (key.source ?? '');
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
}

/** The mappings that a merge key brings in, the one that wins first; `undefined` where it names something else. */
function mergeSources(value: unknown, links: Map<Node, Node>): YAMLMap[] | undefined {
  const target = follow(value, links);
  const sources = isSeq(target) ? target.items.map((item) => follow(item, links)) : [target];
  return sources.every((source) => isMap(source)) ? sources : undefined;
}

function follow(node: unknown, links: Map<Node, Node>): unknown {
  return isAlias(node) ? links.get(node) : node;
}

interface Conversion {
  links: Map<Node, Node>;
  budget: Budget;
}

function toPlain(node: unknown, conversion: Conversion, depth: number): unknown {
  const target = follow(node, conversion.links);
  spend(conversion.budget, depth);
  if (isMap(target)) return plainMap(target, conversion, depth);
  if (isSeq(target)) return target.items.map((item) => toPlain(item, conversion, depth + 1));
  return isScalar(target) ? target.value : null;
}

function spend(budget: Budget, depth: number, amount = 1): void {
  budget.left -= amount;
  if (budget.left < 0) {
    const most = MAX_NODES.toLocaleString('en');
    throw new TooMuch(
      `aliases expand this file to more than ${most} values: write it without so many aliases`,
    );
  }
  // Also what an alias within its own anchor comes to.
  if (depth > MAX_DEPTH) throw new TooMuch(tooDeep());
}

function plainMap(map: YAMLMap, conversion: Conversion, depth: number): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of entriesOf(map, conversion, depth)) {
    const below = toPlain(value, conversion, depth + 1);
    // An assignment to __proto__ would set the prototype.
    if (below !== null) {
      Object.defineProperty(plain, name, {
        value: below,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }
  return plain;
}

/** Keys and values of a mapping, merged ones too: its own win, then those of the first merged mapping. */
function entriesOf(map: YAMLMap, conversion: Conversion, depth: number): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  spend(conversion.budget, depth, map.items.length + 1);
  for (const { key, value } of map.items) {
    const name = keyName(key);
    if (name !== undefined && !isMergeKey(key)) entries.set(name, value);
  }
  for (const { key, value } of map.items) {
    if (!isMergeKey(key)) continue;
    for (const source of mergeSources(value, conversion.links) ?? []) {
      for (const [name, merged] of entriesOf(source, conversion, depth + 1)) {
        if (!entries.has(name)) entries.set(name, merged);
      }
    }
  }
  return entries;
}

function locate(root: unknown, path: Path, at: 'key' | 'value', links: Map<Node, Node>): number | undefined {
  let place: { key?: Node; value: unknown } = { value: root };
  for (const step of path) {
    const next = child(follow(place.value, links), step, links, 0);
    if (!next) return offsetOfPlace(place, 'key');
    place = next;
  }
  return offsetOfPlace(place, at);
}

function offsetOfPlace(
  { key, value }: { key?: Node; value: unknown },
  at: 'key' | 'value',
): number | undefined {
  const keyAt = key?.range?.[0];
  const range = (value as Node | null)?.range;
  const written = range && range[1] > range[0] ? range[0] : undefined;
  return (at === 'key' ? (keyAt ?? written) : (written ?? keyAt)) ?? range?.[0];
}

/** Pairs of a mapping by key, kept for the next question: a mapping may have a great many keys with a problem each. */
const pairsOf = new WeakMap<YAMLMap, Map<string, Pair>>();

function ownPair(map: YAMLMap, name: string): Pair | undefined {
  let pairs = pairsOf.get(map);
  if (!pairs) {
    pairs = new Map();
    for (const pair of map.items) {
      const key = keyName(pair.key);
      if (key !== undefined && !isMergeKey(pair.key)) pairs.set(key, pair);
    }
    pairsOf.set(map, pairs);
  }
  return pairs.get(name);
}

function child(
  node: unknown,
  step: string | number,
  links: Map<Node, Node>,
  depth: number,
): { key?: Node; value: unknown } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    return step < node.items.length ? { value: node.items[step] } : undefined;
  }
  if (!isMap(node) || depth > MAX_DEPTH) return undefined;
  const own = ownPair(node, String(step));
  if (own) return { key: own.key as Node, value: own.value };
  for (const pair of node.items) {
    if (!isMergeKey(pair.key)) continue;
    for (const source of mergeSources(pair.value, links) ?? []) {
      const found = child(source, step, links, depth + 1);
      if (found) return found;
    }
  }
  return undefined;
}
