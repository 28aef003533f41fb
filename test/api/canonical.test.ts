import fc from 'fast-check';
import { canonicalJson, canonicalText } from '../../api';
import { propertyRuns } from '../support/property-runs';

test('the example of RFC 8785', () => {
  const value = {
    numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"\u002f',
    literals: [null, true, false],
  };
  expect(canonicalJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('it is JSON of the same value, whatever the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: propertyRuns(300) },
  );
  expect(canonicalJson({ b: 1, 10: 2, a: undefined, 9: [] })).toBe('{"10":2,"9":[],"b":1}');
});

test('the order of keys does not matter, that of items does', () => {
  expect(canonicalText({ b: [2, 1], 10: null, a: { d: 'x', c: true } })).toBe(
    '[["10",null],["a",[["c",true],["d","x"]]],["b",[2,1]]]',
  );
  expect(canonicalText([undefined, Number.NaN])).toBe('[null,null]');
});

test('CANONICAL-1: a value may be nested hundreds of thousands of levels deep', () => {
  const levels = 200_000;
  const text = `${'{"a":['.repeat(levels)}1${']}'.repeat(levels)}`;
  expect(canonicalJson(JSON.parse(text)) === text).toBe(true);
  expect(canonicalText(JSON.parse(text))).toHaveLength(`[["a",[]]]`.length * levels + 1);
});

test.each([undefined, Number.NaN, Infinity])('%p has no form', (value) => {
  expect(() => canonicalJson({ list: [value] })).toThrow(TypeError);
});
