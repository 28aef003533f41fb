/** Lists of names in one text, and texts and lists cut to a number of bytes. Pure, and without Node: the workflow uses it too. */

/** The first `most` texts, then `and 3 more` in place of the others. */
export function firstFew(texts: readonly string[], most: number): string[] {
  const left = texts.length - most;
  return left > 0 ? [...texts.slice(0, most), `and ${left} more`] : [...texts];
}

/**
 * Names in one text: `a, b, c`, and `a, b and 3 more` when there are more than `most`.
 *
 * @param lastWord What goes before the last name when all are shown, as in `a, b or c`; and before `3 more`. Without it, a comma and `and`.
 */
export function listed(names: readonly string[], most: number, lastWord?: 'and' | 'or'): string {
  const left = names.length - most;
  if (left > 0) return `${names.slice(0, most).join(', ')} ${lastWord ?? 'and'} ${left} more`;
  if (lastWord === undefined || names.length < 2) return names.join(', ');
  return `${names.slice(0, -1).join(', ')} ${lastWord} ${names.at(-1)}`;
}

/** What steers a terminal, or the order in which it shows a line: control characters, line ends, and marks of writing direction. */
export const STEERING = /[\p{Control}\u2028\u2029\p{Bidi_Control}]/gu;

/** The text on one line: what would steer a terminal becomes spaces. */
export function oneLine(text: string): string {
  return text.replace(STEERING, ' ');
}

/** `namespace/name`, as people read it. */
export function fullName({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

const NON_ASCII = /[\u0080-\uffff]/;

/** Bytes that `text` takes in UTF-8. A lone surrogate counts 3, as the replacement character that is written for it. */
export function byteLength(text: string): number {
  let bytes = text.length;
  // Most texts have none, which the pattern finds ten times as fast as the loop does. Sandboxes of workflows have no `Buffer`.
  if (!NON_ASCII.test(text)) return bytes;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(at + 1))) {
      bytes += 2;
      at += 1;
    } else bytes += 2;
  }
  return bytes;
}

/** Bytes of `value` as JSON in UTF-8; 0 for what JSON leaves out. */
export function jsonLength(value: unknown): number {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? 0 : byteLength(text);
}

const ELLIPSIS = '...';

/** `text`, cut at a code point to at most `bytes` bytes of UTF-8; a text that was cut ends with `...`. */
export function fitText(text: string, bytes: number): string {
  // No text of this many units is longer, and most are short.
  if (text.length * 3 <= bytes || byteLength(text) <= bytes) return text;
  const room = bytes - ELLIPSIS.length;
  if (room <= 0) return ELLIPSIS.slice(0, Math.max(0, bytes));
  let kept = '';
  let used = 0;
  for (const point of text) {
    used += byteLength(point);
    if (used > room) break;
    kept += point;
  }
  return `${kept}${ELLIPSIS}`;
}

/** The first items that take at most `bytes` bytes together, each with `overhead` bytes more than its text. */
export function fitList(items: readonly string[], bytes: number, overhead = 3): string[] {
  let used = 0;
  const kept: string[] = [];
  for (const item of items) {
    used += byteLength(item) + overhead;
    if (used > bytes) break;
    kept.push(item);
  }
  return kept;
}

/**
 * `value`, made smaller step by step until its JSON takes at most `bytes` bytes. Each step gets what the step before returned; the last
 * result is returned even if it is still too large.
 */
export function fitJson<T>(value: T, bytes: number, steps: readonly ((value: T) => T)[]): T {
  let fitted = value;
  for (const step of steps) {
    if (jsonLength(fitted) <= bytes) break;
    fitted = step(fitted);
  }
  return fitted;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
