/** YAML in which characters that steer a terminal are escaped (OUTPUT-1). */
import { Document, isScalar, visit } from 'yaml';
import { oneLine } from '../../api/text';
import { escaped } from './json';

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
