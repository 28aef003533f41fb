/**
 * ESLint rule: an object that is used as a dictionary is not read by `record[key]` or `key in record`. Every object inherits `constructor`,
 * `toString` and others, and a VM, label or namespace may have such a name. `own(record, key)` of `api`, a Map, or `Object.hasOwn` sees what
 * the object itself has.
 */
/** Whether a type lets every string be a key. */
function isDictionary(checker, type) {
  return type.isUnion()
    ? type.types.some((part) => isDictionary(checker, part))
    : checker
        .getIndexInfosOfType(type)
        .some(({ keyType }) => !checker.isTypeAssignableTo(keyType, checker.getNumberType()));
}

/** A key that is written in the code, or a number. */
function isChosenHere(checker, type) {
  return type.isUnion()
    ? type.types.every((part) => isChosenHere(checker, part))
    : type.isStringLiteral() || checker.isTypeAssignableTo(type, checker.getNumberType());
}

/** `record[key] = value` reads nothing. */
function isWrittenOnly(node) {
  const parent = node.parent.type === 'ChainExpression' ? node.parent.parent : node.parent;
  return (
    (parent.type === 'AssignmentExpression' && parent.left === node && parent.operator === '=') ||
    (parent.type === 'UnaryExpression' && parent.operator === 'delete')
  );
}

/** @type {import('eslint').Rule.RuleModule} */
export const uncheckedLookup = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      lookup:
        'Finds what every object inherits, such as "constructor": use own(record, key), a Map or Object.hasOwn.',
    },
  },
  create(context) {
    const services = context.sourceCode.parserServices;
    const checker = services.program.getTypeChecker();
    const check = (node, record, key) => {
      if (!isDictionary(checker, services.getTypeAtLocation(record))) return;
      if (isChosenHere(checker, services.getTypeAtLocation(key))) return;
      context.report({ node, messageId: 'lookup' });
    };
    return {
      MemberExpression(node) {
        if (node.computed && !isWrittenOnly(node)) check(node, node.object, node.property);
      },
      "BinaryExpression[operator='in']"(node) {
        if (node.left.type !== 'PrivateIdentifier') check(node, node.right, node.left);
      },
    };
  },
};
