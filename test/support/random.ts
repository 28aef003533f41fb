/** Numbers that look random and can be had again from a seed, which a test names when it fails. */

/** Makes a source of numbers from 0 to below 1. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}
