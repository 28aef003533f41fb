/** Chance that can be repeated: the same seed and the same words give the same number, whatever was drawn before. */
import type { SimulatedTime } from '../../api';

/** A number from 0 (included) to 1 (excluded) for `words`. */
export function draw(seed: number, ...words: (string | number)[]): number {
  // FNV-1a over the words, then the finisher of MurmurHash3: cheap, and neighbouring words give unrelated numbers.
  let hash = 0x811c9dc5 ^ seed;
  for (const character of words.join('\u0000')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 2 ** 32;
}

/** Milliseconds that `time` says, whole and never negative. */
export function drawTime(time: SimulatedTime, seed: number, ...words: (string | number)[]): number {
  if (typeof time === 'number') return time;
  if ('min' in time) return Math.round(time.min + draw(seed, ...words) * (time.max - time.min));
  // Box-Muller; 1 - u keeps the logarithm finite.
  const radius = Math.sqrt(-2 * Math.log(1 - draw(seed, ...words, 'radius')));
  const angle = 2 * Math.PI * draw(seed, ...words, 'angle');
  return Math.max(0, Math.round(time.mean + time.deviation * radius * Math.cos(angle)));
}
