/**
 * Changes to manifests that a person wrote.
 *
 * EDIT-1: apart from the value that is set, the text stays as it is, byte for byte.
 * EDIT-2: after the change the text says what it said before in everything else, or nothing is changed.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { nameObject } from '../kinds';
import { isMapping } from '../unknown';
import { withTypeOf } from './lists';
import type { PowerState } from '../model';
import { refKey } from '../problem';
import { composeDocuments, readDocuments } from './yaml';

/** A piece of text to put in the place of another. */
interface Change {
  from: number;
  to: number;
  text: string;
}

/**
 * Sets `spec.powerState` of a group in the text of a manifest. Comments and formatting stay as they are.
 *
 * @throws Error when the group is not in the text or is there twice, or when its manifest is written so that only a person can change it.
 */
export function editPowerState(
  text: string,
  group: { namespace: string; name: string },
  powerState: PowerState,
): string {
  const shown = `VirtualMachineGroup ${group.namespace}/${group.name}`;
  const found = groupNodes(text, group);
  const [node] = found;
  if (!node) throw new Error(`there is no ${shown} in this text`);
  if (found.length > 1)
    throw new Error(`${shown} is in this text ${found.length} times: take one of them out first`);
  const change = changeOf(text, node.map, powerState);
  const edited = change && text.slice(0, change.from) + change.text + text.slice(change.to);
  if (
    edited === undefined ||
    !isDeepStrictEqual(valuesOf(edited), expectedValues(text, node.place, powerState))
  ) {
    throw new Error(
      `spec.powerState of ${shown} cannot be set without touching the rest of its manifest: set it by hand`,
    );
  }
  return edited;
}

/** Place of an object in a text: which document, and which item where the document is a List. */
interface Place {
  document: number;
  item?: number;
}

function groupNodes(
  text: string,
  group: { namespace: string; name: string },
): { place: Place; map: YAMLMap }[] {
  const wanted = refKey({ kind: 'VirtualMachineGroup', ...group });
  const isWanted = (value: unknown): boolean => {
    const ref = isMapping(value) ? nameObject(value) : undefined;
    return ref !== undefined && refKey(ref) === wanted;
  };
  const values = valuesOf(text);
  return [...composeDocuments(text)].flatMap(({ contents, errors }, document) => {
    const value = values[document];
    if (!isMap(contents) || errors.length > 0) return [];
    if (isWanted(value)) return [{ place: { document }, map: contents }];
    const items = contents.get('items');
    if (!isSeq(items)) return [];
    return items.items.flatMap((map, item) =>
      isMap(map) && isWanted(isMapping(value) && withTypeOf(value, itemOf(value, item)))
        ? [{ place: { document, item }, map }]
        : [],
    );
  });
}

function valuesOf(text: string): unknown[] {
  return [...readDocuments(text, new LineCounter())].map(({ value }) => value);
}

function itemOf(value: unknown, item: number): unknown {
  const items = isMapping(value) ? value['items'] : undefined;
  return Array.isArray(items) ? (items[item] as unknown) : undefined;
}

function expectedValues(text: string, { document, item }: Place, powerState: PowerState): unknown[] {
  const values = valuesOf(text);
  const value = item === undefined ? values[document] : itemOf(values[document], item);
  if (isMapping(value)) value['spec'] = { ...(isMapping(value['spec']) ? value['spec'] : {}), powerState };
  return values;
}

function changeOf(text: string, object: YAMLMap, powerState: PowerState): Change | undefined {
  const spec = pairOf(object, 'spec');
  if (!spec) return append(text, object, powerState);
  if (!isMap(spec.value)) return isEmpty(spec.value) ? fillSpec(text, spec, powerState) : undefined;
  const current = pairOf(spec.value, 'powerState');
  return current ? replaceValue(text, current, powerState) : insertInto(text, spec, spec.value, powerState);
}

function pairOf(map: YAMLMap, name: string): Pair<Scalar, Node | null> | undefined {
  return map.items.find(({ key }) => isScalar(key) && key.value === name) as
    Pair<Scalar, Node | null> | undefined;
}

/** Whether nothing is written there: `powerState:` and the end of the line. */
function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null && rangeOf(node).from === rangeOf(node).to);
}

function rangeOf(node: Node): { from: number; to: number } {
  const [from, to] = node.range ?? [0, 0];
  return { from, to };
}

function replaceValue(
  text: string,
  { key, value }: Pair<Scalar, Node | null>,
  powerState: PowerState,
): Change | undefined {
  if (value === null || isEmpty(value)) {
    const from = afterColon(text, key);
    return { from, to: from, text: ` ${powerState}` };
  }
  if (!isScalar(value) && !isAlias(value)) return undefined;
  const quote = isScalar(value) ? quoteOf(value) : '';
  return { ...rangeOf(value), text: `${quote}${powerState}${quote}` };
}

function quoteOf(scalar: Scalar): string {
  if (scalar.type === 'QUOTE_DOUBLE') return '"';
  return scalar.type === 'QUOTE_SINGLE' ? "'" : '';
}

function afterColon(text: string, key: Scalar): number {
  return text.indexOf(':', rangeOf(key).to) + 1;
}

/** `spec:` with nothing below it. */
function fillSpec(text: string, { key }: Pair<Scalar, Node | null>, powerState: PowerState): Change {
  const from = endOfLine(text, afterColon(text, key));
  return { from, to: from, text: `${newline(text)}${indentOf(text, key)}  powerState: ${powerState}` };
}

/** `spec` with other fields: the power state goes before them, below the line of `spec`. */
function insertInto(
  text: string,
  { key }: Pair<Scalar, Node | null>,
  spec: YAMLMap,
  powerState: PowerState,
): Change {
  const first = spec.items[0]?.key as Node | undefined;
  const { from } = rangeOf(spec);
  if (spec.flow) {
    const entry = flowEntry(text, from, powerState);
    if (!first) return { from: from + 1, to: from + 1, text: entry };
    const at = rangeOf(first).from;
    const gap = text.slice(from + 1, at);
    return { from: at, to: at, text: `${entry},${/^\s*\n\s*$/.test(gap) ? gap : ' '}` };
  }
  const line = endOfLine(text, afterColon(text, key));
  return {
    from: line,
    to: line,
    text: `${newline(text)}${indentOf(text, first ?? key)}powerState: ${powerState}`,
  };
}

/** An object without `spec`: it goes to the end. */
function append(text: string, object: YAMLMap, powerState: PowerState): Change {
  const { from, to } = rangeOf(object);
  if (object.flow) {
    const end = text.slice(0, to - 1).trimEnd().length;
    const spec = `{${flowEntry(text, from, powerState)}}`;
    const key = isJson(text, from) ? '"spec"' : 'spec';
    return { from: end, to: end, text: `, ${key}: ${spec}` };
  }
  const indent = indentOf(text, object);
  const end = endOfLine(text, text.slice(0, to).trimEnd().length);
  const lines = ['', `${indent}spec:`, `${indent}  powerState: ${powerState}`];
  return { from: end, to: end, text: lines.join(newline(text)) };
}

function flowEntry(text: string, flowStart: number, powerState: PowerState): string {
  return isJson(text, flowStart) ? `"powerState": "${powerState}"` : `powerState: ${powerState}`;
}

/** Whether a flow mapping quotes its keys, as JSON does. */
function isJson(text: string, flowStart: number): boolean {
  return /^\{\s*"/.test(text.slice(flowStart, flowStart + 200)) || text.trimStart().startsWith('{');
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  if (end < 0) return text.length;
  return text[end - 1] === '\r' ? end - 1 : end;
}

function newline(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

/** Blanks as wide as what stands before a node on its line. */
function indentOf(text: string, node: Node): string {
  const { from } = rangeOf(node);
  return ' '.repeat(from - (text.lastIndexOf('\n', from - 1) + 1));
}
