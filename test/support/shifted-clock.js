/**
 * Preloaded by a process whose clock is to be wrong: moves the time of day by `TEST_CLOCK_SHIFT` milliseconds. Timers and the monotonic
 * clock stay as they are, as on a machine whose clock was set.
 */
const RealDate = Date;
const shift = Number(process.env.TEST_CLOCK_SHIFT ?? 0);

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shift);
    else super(...args);
  }

  static now() {
    return RealDate.now() + shift;
  }
};
