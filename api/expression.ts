/** Regular expressions of manifests, in the syntax of RE2: their time grows with the text only, whatever they say. */
import type * as Re2 from 're2js';

/** Finds a match anywhere in a text. */
export type Expression = (text: string) => boolean;

/** Longest expression, in characters; with repetitions, what it compiles to can be a thousand times as large. */
const LONGEST = 1_000;
/** Instructions of the largest expression: matching may take as many steps for each character of a text. */
const MOST_INSTRUCTIONS = 1_000;

/** An expression; undefined: the text is none. */
export function compileExpression(text: string): Expression | 'TooLarge' | undefined {
  if (text.length > LONGEST) return 'TooLarge';
  // Few manifests have one, and every command loads this file.
  const { RE2JS } = require('re2js') as typeof Re2;
  try {
    const compiled = RE2JS.compile(text);
    if (compiled.programSize() > MOST_INSTRUCTIONS) return 'TooLarge';
    return (value) => compiled.matcher(value).find();
  } catch {
    return undefined;
  }
}
