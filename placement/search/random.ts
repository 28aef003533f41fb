/** Random numbers that are the same on every machine for the same seed (xorshift: whole-number arithmetic alone). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Any state but 0 will do; seeds that are neighbours are torn apart.
    this.#state = Math.imul(seed | 0, 0x2545f491) ^ 0x3c6ef372 || 1;
    for (let warmUp = 0; warmUp < 8; warmUp++) this.below(1);
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return Math.floor(((state >>> 0) / 2 ** 32) * limit);
  }
}
