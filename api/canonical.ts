/**
 * Values as text that is the same whatever the order of keys.
 *
 * CANONICAL-1: a value may be nested as deeply as JSON can be: no stack limits it.
 */

/** How an object is written: before and after all of it, and before and after each value. */
interface Form {
  open: string;
  key: (name: string) => string;
  end: string;
  close: string;
  scalar: (value: unknown) => string;
}

/** Pairs rather than an object, in which keys that look like numbers go first. */
const PAIRS: Form = {
  open: '[',
  key: (name) => `[${JSON.stringify(name)},`,
  end: ']',
  close: ']',
  scalar: (value) => JSON.stringify(value) ?? 'null',
};

const RFC_8785: Form = {
  open: '{',
  key: (name) => `${JSON.stringify(name)}:`,
  end: '',
  close: '}',
  scalar: scalarJson,
};

/** A value as text, the same whatever the order of keys; for comparisons and hashes, not to be read back. */
export function canonicalText(value: unknown): string {
  return written(value, PAIRS, () => true);
}

/** A value as canonical JSON (RFC 8785), to be hashed, signed and read back. Throws TypeError for what JSON has no form for. */
export function canonicalJson(value: unknown): string {
  return written(value, RFC_8785, (item) => item !== undefined);
}

/** A piece of text, or a value that is still to be written. */
type Piece = string | { value: unknown };

function written(value: unknown, form: Form, has: (item: unknown) => boolean): string {
  const text: string[] = [];
  /** What is still to be written, the next one last. */
  const left: Piece[] = [{ value }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next === 'string') text.push(next);
    else if (Array.isArray(next.value)) pushAll(left, listPieces(next.value));
    else if (typeof next.value === 'object' && next.value !== null)
      pushAll(left, objectPieces(next.value, form, has));
    else text.push(form.scalar(next.value));
  }
  return text.join('');
}

/** In the reverse order, one by one: a call takes so many arguments only. */
function pushAll(left: Piece[], pieces: Piece[]): void {
  for (let piece = pieces.pop(); piece !== undefined; piece = pieces.pop()) left.push(piece);
}

function listPieces(items: readonly unknown[]): Piece[] {
  const pieces: Piece[] = ['['];
  for (const [index, value] of items.entries()) {
    if (index > 0) pieces.push(',');
    pieces.push({ value });
  }
  pieces.push(']');
  return pieces;
}

function objectPieces(object: object, form: Form, has: (item: unknown) => boolean): Piece[] {
  const pieces: Piece[] = [form.open];
  const pairs = Object.entries(object)
    .filter(([, item]) => has(item))
    // By UTF-16 code units, as the RFC has it.
    .sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [index, [name, value]] of pairs.entries())
    pieces.push(`${index > 0 ? ',' : ''}${form.key(name)}`, { value }, form.end);
  pieces.push(form.close);
  return pieces;
}

function scalarJson(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || (typeof value === 'number' && !Number.isFinite(value)))
    throw new TypeError(`${String(value)} has no form in JSON`);
  return text;
}
