import fc from 'fast-check';
import { formatDuration, parseDuration, parseQuantity } from '../../api';

describe('parseDuration', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['30s', 30_000],
    ['1m', 60_000],
    ['1m30s', 90_000],
    ['90s', 90_000],
    ['1h0m', 3_600_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1_000],
    ['250ms', 250],
    ['1500us', 2],
    ['1500µs', 2],
    ['1500μs', 2],
    ['2000000ns', 2],
    ['1h2m3s4ms', 3_723_004],
    ['30s1m', 90_000],
    ['-5s', -5_000],
    ['+5s', 5_000],
    ['-0s', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  const looksLike = 'write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"';
  test.each([
    ['', `invalid duration "": ${looksLike}`],
    ['soon', `invalid duration "soon": ${looksLike}`],
    ['1d', `invalid duration "1d": ${looksLike}`],
    ['s', `invalid duration "s": ${looksLike}`],
    ['--5s', `invalid duration "--5s": ${looksLike}`],
    ['30', 'invalid duration "30": a unit is missing; did you mean "30s"?'],
    ['30S', 'invalid duration "30S": did you mean "30s"?'],
    ['1m 30s', 'invalid duration "1m 30s": did you mean "1m30s"?'],
    ['9999999h', 'invalid duration "9999999h": longer than 292 years'],
  ])('%j is refused', (text, message) => {
    expect(() => parseDuration(text)).toThrow(new Error(message));
  });
});

describe('formatDuration', () => {
  test.each([
    [0, '0s'],
    [20_000, '20s'],
    [90_000, '1m30s'],
    [3_600_000, '1h'],
    [3_605_000, '1h5s'],
    [90_061_000, '25h1m1s'],
    [1_500, '1.5s'],
    [250, '250ms'],
    [-90_000, '-1m30s'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe('parseQuantity', () => {
  test.each([
    ['64Gi', 64 * 2 ** 30],
    ['1.5Ki', 1536],
    ['1G', 1e9],
    ['500m', 1],
    ['0.1', 1],
    ['.5Ki', 512],
    ['0Gi', 0],
    ['-0', 0],
    ['1e3', 1000],
    ['1.5e-1', 1],
    ['16.1k', 16_100],
    ['128.3k', 128_300],
    ['9007199254740991', 2 ** 53 - 1],
    ['9007199254740990500m', 2 ** 53 - 1],
    ['12', 12],
    [12, 12],
  ])('%j is %d bytes', (amount, bytes) => {
    expect(parseQuantity(amount)).toBe(bytes);
  });

  test.each(['', 'Gi', '3Gb', '1 Gi', '-1Gi', '-1m', '.', '1.2.3', '1E', '1e999', '9007199254740992', 'NaN'])(
    '%j is refused',
    (amount) => {
      expect(() => parseQuantity(amount)).toThrow(/^invalid quantity/);
    },
  );
});
