/** Names that the code has, read from its text: a new one is missing in the reference until it is documented. */
import ts from 'typescript';
import { textOf } from './documents';

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest, true);
}

/** Every node of a kind. */
function nodes<T extends ts.Node>(root: ts.Node, is: (node: ts.Node) => node is T): T[] {
  const found: T[] = [];
  const visit = (node: ts.Node): void => {
    if (is(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(root);
  return found;
}

/** The texts in a union of literals: `type Name = 'A' | 'B'`. */
export function unionOf(file: string, name: string): string[] {
  const alias = nodes(parse(file), ts.isTypeAliasDeclaration).find((each) => each.name.text === name);
  if (!alias) throw new Error(`${file} has no type ${name}`);
  return nodes(alias.type, ts.isLiteralTypeNode).flatMap(({ literal }) =>
    ts.isStringLiteral(literal) ? [literal.text] : [],
  );
}

/** The texts of the type of one field of an interface: `phase: 'A' | 'B'`. */
export function fieldOf(file: string, type: string, field: string): string[] {
  const found = nodes(parse(file), ts.isInterfaceDeclaration).find((each) => each.name.text === type);
  const member = found?.members.find((each) => each.name?.getText() === field);
  if (!member) throw new Error(`${file} has no ${type}.${field}`);
  return nodes(member, ts.isStringLiteral).map(({ text }) => text);
}

/** Names of the fields of an interface. */
export function fieldsOf(file: string, type: string): string[] {
  const found = nodes(parse(file), ts.isInterfaceDeclaration).find((each) => each.name.text === type);
  if (!found) throw new Error(`${file} has no interface ${type}`);
  return found.members.flatMap((member) => (member.name ? [member.name.getText()] : []));
}

/** The numbers of a constant object: `const NAME = { ok: 0 }`. */
export function numbersOf(file: string, name: string): number[] {
  const found = nodes(parse(file), ts.isVariableDeclaration).find((each) => each.name.getText() === name);
  if (!found?.initializer) throw new Error(`${file} has no constant ${name}`);
  return nodes(found.initializer, ts.isNumericLiteral).map(({ text }) => Number(text));
}

/** Names of the signals that a file defines: `defineSignal<...>('name')`. */
export function definedSignals(file: string): string[] {
  return nodes(parse(file), ts.isCallExpression).flatMap(({ expression, arguments: [name] }) =>
    expression.getText() === 'defineSignal' && name && ts.isStringLiteral(name) ? [name.text] : [],
  );
}
