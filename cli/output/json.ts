/** JSON and YAML in which characters that steer a terminal are escaped (OUTPUT-1). */
import { Document, isScalar, visit } from 'yaml';
import { oneLine, STEERING } from '../../api/text';

/** JSON on one line, or indented by `indent` spaces. */
export function jsonText(data: unknown, indent?: number): string {
  const text = JSON.stringify(data, undefined, indent) as string | undefined;
  return escaped(text ?? 'null');
}

/** YAML; texts with characters that steer are quoted. */
export function yamlText(data: unknown): string {
  const document = new Document(data, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === 'string' && oneLine(node.value) !== node.value)
        node.type = 'QUOTE_DOUBLE';
    },
  });
  // On one line: in the form of several lines, spaces at the end of one are lost.
  const doubleQuotedMinMultiLineLength = Number.MAX_SAFE_INTEGER;
  return escaped(document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength }));
}

/** Escapes what is within quotes: outside of them, JSON and YAML have line ends alone. */
function escaped(text: string): string {
  return text.replace(STEERING, (found) =>
    found === '\n' ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
