/** JSON in which characters that steer a terminal are escaped (OUTPUT-1). */
import { STEERING } from '../../api/text';

/** JSON on one line, or indented by `indent` spaces. */
export function jsonText(data: unknown, indent?: number): string {
  const text = JSON.stringify(data, undefined, indent) as string | undefined;
  return escaped(text ?? 'null');
}

/** Escapes what is within quotes: outside of them, JSON and YAML have line ends alone. */
export function escaped(text: string): string {
  return text.replace(STEERING, (found) =>
    found === '\n' ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
