/** Guarantees: G2. */
import fc from 'fast-check';
import { byteLength, firstFew, fitJson, fitList, fitText, jsonLength, listed, own } from '../../api';
import { anyCharacter } from '../support/any-character';

const anyText = fc.string({ unit: anyCharacter, maxLength: 80 });
const LONE_SURROGATE = /\p{Surrogate}/u;

describe('G2: text fits into bytes', () => {
  it('counts bytes as UTF-8 does', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff)), (units) => {
        const text = String.fromCharCode(...units);
        expect(byteLength(text)).toBe(Buffer.byteLength(text, 'utf8'));
      }),
    );
  });

  it('never passes the limit, never splits a code point, and leaves short text alone', () => {
    fc.assert(
      fc.property(anyText, fc.nat(100), (text, bytes) => {
        const fitted = fitText(text, bytes);
        expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(bytes);
        expect(fitted).not.toMatch(LONE_SURROGATE);
        if (Buffer.byteLength(text) <= bytes) expect(fitted).toBe(text);
        else if (bytes >= 3) expect(text.startsWith(fitted.slice(0, -3))).toBe(true);
      }),
    );
  });

  it('takes the first items of a list that fit', () => {
    expect(fitList(['aa', 'bb', 'cc'], 10)).toEqual(['aa', 'bb']);
    expect(fitList([], 0)).toEqual([]);
  });

  it('shrinks a value only as much as it has to', () => {
    const halved = (text: string): string => text.slice(0, text.length / 2);
    expect(fitJson('x'.repeat(8), 100, [halved])).toBe('x'.repeat(8));
    expect(fitJson('x'.repeat(8), 6, [halved, halved])).toBe('x'.repeat(4));
    expect(jsonLength(undefined)).toBe(0);
  });
});

describe('the first few names', () => {
  it('lists all of them when there are few, and counts the rest', () => {
    expect(listed([], 2)).toBe('');
    expect(listed(['a', 'b'], 2)).toBe('a, b');
    expect(listed(['a', 'b', 'c'], 2)).toBe('a, b and 1 more');
  });

  it('puts a word before the last name on request', () => {
    expect(listed(['a'], 2, 'or')).toBe('a');
    expect(listed(['a', 'b', 'c'], 3, 'or')).toBe('a, b or c');
    expect(listed(['a', 'b', 'c', 'd'], 2, 'or')).toBe('a, b or 2 more');
  });

  it('leaves it to the caller how texts are joined', () => {
    expect(firstFew(['a', 'b'], 2)).toEqual(['a', 'b']);
    expect(firstFew(['a', 'b', 'c'], 1).join('; ')).toBe('a; and 2 more');
  });
});

describe('lookup by a name from outside', () => {
  it('finds only what the record itself has', () => {
    const record = JSON.parse('{"constructor-1": 1, "__proto__": 2}') as Record<string, number>;
    expect(own(record, 'constructor-1')).toBe(1);
    expect(own(record, '__proto__')).toBe(2);
    expect(own(record, 'constructor')).toBeUndefined();
    expect(own(undefined, 'a')).toBeUndefined();
  });
});
