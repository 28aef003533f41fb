/**
 * Text that comes from others, such as messages of servers and names in manifests, made harmless before a terminal shows it.
 *
 * OUTPUT-1: what a command prints for people has no control character but line ends and the colours of {@link Paint}, whatever others have
 *     written. In JSON and YAML such characters are escaped, so that programs read them as they are.
 */
import { oneLine, STEERING } from '../../api/text';
import { paintFor } from './colours';

/** Data with every text, and every key, on one line. Instances of classes are left as they are. */
export function legible<T>(data: T): T {
  return legibleValue(data) as T;
}

function legibleValue(value: unknown): unknown {
  if (typeof value === 'string') return oneLine(value);
  if (Array.isArray(value)) return value.map(legibleValue);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [oneLine(key), legibleValue(each)]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Lines of text without anything that steers a terminal. */
export function plainLines(text: string): string {
  return text.replace(STEERING, (found) => (found === '\n' ? found : ' '));
}

/** A sequence that begins with a control character and may be a colour, or a single character that steers. */
const STEERING_OR_STYLE = new RegExp(`(?!\\n)\\p{Control}\\[[\\d;]*m|${STEERING.source}`, 'gu');

/** The same for lines with colours: those of a stream stay. What they surround has to be {@link legible} already. */
export function styledLines(text: string, stream: { isTTY?: boolean }): string {
  const styles = stylesOf(stream);
  return text.replace(STEERING_OR_STYLE, (found) => (found === '\n' || styles.has(found) ? found : ' '));
}

/** What begins and ends the colours of a stream. */
function stylesOf(stream: { isTTY?: boolean }): Set<string> {
  return new Set(
    Object.values(paintFor(stream)).flatMap((paint: (text: string) => string) => paint('|').split('|')),
  );
}
