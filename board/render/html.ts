/**
 * HTML from templates.
 *
 * HTML-1: every value in a template is text and is escaped, except what is {@link Html} already. Nothing else makes HTML of text.
 * HTML-2: no value changes the direction in which text around it is written.
 */

/** HTML that may be put into a page as it is. */
export class Html {
  readonly #text: string;

  /** Only {@link markup} and {@link trusted} make one. */
  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** What a template takes. Nothing is shown for `undefined` and `false`. */
export type Part = Html | string | number | undefined | false | readonly Part[];

/** Makes HTML of a template: names of elements and attributes are written in it, values are escaped. Attributes must be quoted. */
export function markup(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(
    strings.map((text, index) => text + (index < parts.length ? shown(parts[index]) : '')).join(''),
  );
}

/** Text of this project's own code as HTML: styles, scripts, shapes. Never anything that was read. */
export function trusted(text: string): Html {
  return new Html(text);
}

function shown(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'string') return escaped(part);
  if (typeof part === 'number') return String(part);
  return part.map(shown).join('');
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);

function escaped(text: string): string {
  // Control characters have no place in HTML, and marks of writing direction reorder what others wrote; U+FFFD shows that there was one.
  return text
    .replace(/[&<>"']/g, (found) => ENTITIES.get(found) ?? '')
    .replace(/(?![\t\n\r])[\p{Control}\p{Bidi_Control}]/gu, '\ufffd');
}
