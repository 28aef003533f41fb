/**
 * XML of answers, within limits, and of requests, escaped.
 *
 * XML-1: a text is refused before it is parsed when it declares a document type, or is longer or has more tags than the limits allow.
 * XML-2: entities are decoded here, once: the five of XML and character references. The parser's own processing of them is off.
 */
import { XMLParser } from 'fast-xml-parser';

/** One element. Names are without namespace prefixes. */
export interface XmlElement {
  name: string;
  /** The value of `xsi:type`, without prefix. */
  type?: string;
  attributes: ReadonlyMap<string, string>;
  /** All text directly in it. */
  text: string;
  children: readonly XmlElement[];
}

/** Limits of one text. */
export interface XmlLimits {
  /** Characters. */
  length: number;
  /** Tags, opening and closing ones. */
  tags: number;
  /** Elements within each other. */
  depth: number;
}

/** Thrown for a text that is not XML, or more of it than the limits allow. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
}

const ATTRIBUTES = ':@';
const TEXT = '#text';
const CDATA = '#cdata';
const TYPE = 'type';

/** What the parser makes of an element: one key with its content, and one with its attributes. */
type Parsed = Record<string, unknown>;

/** @throws XmlError where the text is no XML of one root element within the limits. */
export function parseXml(text: string, limits: XmlLimits): XmlElement {
  if (text.length > limits.length) throw new XmlError(`more than ${limits.length} characters`);
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) throw new XmlError('it declares a document type');
  if (countTags(text, limits.tags) > limits.tags) throw new XmlError(`more than ${limits.tags} tags`);
  let parsed: unknown;
  try {
    parsed = parserOf(limits.depth).parse(text, true);
  } catch (error: unknown) {
    throw new XmlError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const roots = (Array.isArray(parsed) ? (parsed as Parsed[]) : []).filter((each) => !(TEXT in each));
  const [root] = roots;
  if (!root || roots.length > 1) throw new XmlError('it has no single root element');
  return elementOf(root, limits.depth);
}

function parserOf(depth: number): XMLParser {
  return new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: false,
    cdataPropName: CDATA,
    ignoreDeclaration: true,
    ignorePiTags: true,
    processEntities: false,
    maxNestedTags: depth,
  });
}

function countTags(text: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf('<'); at >= 0 && count <= limit; at = text.indexOf('<', at + 1)) count += 1;
  return count;
}

function elementOf(parsed: Parsed, depth: number): XmlElement {
  if (depth === 0) throw new XmlError('elements are nested too deeply');
  const [key, within] = Object.entries(parsed).find(([each]) => each !== ATTRIBUTES) ?? ['', []];
  const content = within as Parsed[];
  const attributes = attributesOf((parsed[ATTRIBUTES] ?? {}) as Record<string, string>);
  const elements = content.filter((each) => !(TEXT in each) && !(CDATA in each));
  const type = attributes.get(`xsi:${TYPE}`);
  return {
    name: withoutPrefix(key),
    ...(type !== undefined && { type: withoutPrefix(type) }),
    attributes,
    text: content.map(textIn).join(''),
    children: elements.map((each) => elementOf(each, depth - 1)),
  };
}

function textIn(part: Parsed): string {
  if (TEXT in part) return decode(String(part[TEXT]));
  const [raw] = (part[CDATA] ?? []) as Parsed[];
  return raw ? String(raw[TEXT]) : '';
}

function attributesOf(written: Record<string, string>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(written).map(([name, value]) => [
      name.endsWith(`:${TYPE}`) ? `xsi:${TYPE}` : name,
      decode(String(value)),
    ]),
  );
}

function withoutPrefix(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** XML-2. What is no entity of XML stays as it is. */
function decode(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z]{2,4});/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES.get(name) ?? whole;
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

// ---- Requests ----------------------------------------------------------------------------------------------------------------------

/** What an element of a request has in it. */
export type Content = string | number | boolean | readonly Element[];

/** One element of a request. The order of elements is that of the schema: servers insist on it. */
export interface Element {
  name: string;
  content: Content;
  /** `xsi:type`, wherever the schema has a base type. */
  xsiType?: string;
  /** Type of the managed object that the content is the id of. */
  refType?: string;
}

/** Names one managed object of a server. */
export interface ManagedObject {
  /** Such as `VirtualMachine`. */
  type: string;
  id: string;
}

/** An element of a request. */
export function element(name: string, content: Content, xsiType?: string): Element {
  return { name, content, ...(xsiType !== undefined && { xsiType }) };
}

/** An element that refers to a managed object. */
export function reference(name: string, { type, id }: ManagedObject): Element {
  return { name, content: id, refType: type };
}

/** The text of an element. */
export function writeXml({ name, content, xsiType, refType }: Element): string {
  const type = xsiType === undefined ? '' : ` xsi:type="${escape(xsiType)}"`;
  const ref = refType === undefined ? '' : ` type="${escape(refType)}"`;
  const inner = typeof content === 'object' ? content.map(writeXml).join('') : escape(String(content));
  return `<${name}${type}${ref}>${inner}</${name}>`;
}

/** Text and attribute values alike. Characters that XML cannot hold are replaced, since no server would take the rest either. */
function escape(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex -- the characters that XML 1.0 forbids
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd')
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&quot;')
      .replace(/'/g, '&apos;')
      .replace(/\r/g, '&#13;')
  );
}

// ---- Reading -----------------------------------------------------------------------------------------------------------------------

/** The first child of that name. */
export function child(parent: XmlElement | undefined, name: string): XmlElement | undefined {
  return parent?.children.find((each) => each.name === name);
}

/** All children of that name, in order. */
export function childrenOf(parent: XmlElement | undefined, name: string): XmlElement[] {
  return parent?.children.filter((each) => each.name === name) ?? [];
}

/** The text of the first child of that name. */
export function textOf(parent: XmlElement | undefined, name: string): string | undefined {
  return child(parent, name)?.text;
}

/** The managed object that an element refers to. */
export function managedObject(from: XmlElement | undefined): ManagedObject | undefined {
  const type = from?.attributes.get('type');
  return from && type !== undefined && from.text !== '' ? { type, id: from.text } : undefined;
}
