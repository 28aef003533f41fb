/** Any Unicode character, surrogates aside, for `fc.string`: its own unit `binary` builds tables for more than a second in each test file. */
import fc from 'fast-check';

const SURROGATES = { first: 0xd800, count: 0x800 };

/** Shrinks towards NUL. */
export const anyCharacter: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10ffff - SURROGATES.count })
  .map((at) => String.fromCodePoint(at < SURROGATES.first ? at : at + SURROGATES.count));
