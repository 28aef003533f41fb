/** Regular expressions of manifests, in the syntax of RE2: their time grows with the text only, whatever they say. */
import type * as Re2 from 're2js';

/** Finds a match anywhere in a text. */
export type Expression = (text: string) => boolean;

/** An expression; undefined: the text is none. */
export function compileExpression(text: string): Expression | undefined {
  // Few manifests have one, and every command loads this file.
  const { RE2JS } = require('re2js') as typeof Re2;
  try {
    const compiled = RE2JS.compile(text);
    return (value) => compiled.matcher(value).find();
  } catch {
    return undefined;
  }
}
