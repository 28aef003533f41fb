/** The fake timers of a test file, in the realm that it shares with what other files have left running. */
const { AsyncLocalStorage } = require('node:async_hooks');
const promises = require('node:timers/promises');
const { ModernFakeTimers } = require('@jest/fake-timers');

/** @type {AsyncLocalStorage<TimersOfFile>} what the code that runs belongs to: packages and native code have started it, if none. */
const files = new AsyncLocalStorage();

const OF_CLOCK = /** @type {const} */ ([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'nextTick',
  'queueMicrotask',
]);
const OF_PROMISES = /** @type {const} */ (['setTimeout', 'setInterval', 'setImmediate']);

/** @typedef {(...args: unknown[]) => unknown} Timer */

/**
 * Code of this file gets the fake timers, all other code real ones. A loop that another file has left running would otherwise take a step, of a
 * millisecond or more, for each of its pauses in the days that a test lets pass.
 */
class TimersOfFile extends ModernFakeTimers {
  /** What is started from here on belongs to this file. */
  begin() {
    files.enterWith(this);
  }

  /** @override @param {import('@jest/types').Config.FakeTimersConfig} [config] */
  useFakeTimers(config) {
    this.useRealTimers();
    /** @type {Record<string, Timer>} */
    const real = { .../** @type {object} */ (promises) };
    super.useFakeTimers(config);
    const clock = /** @type {{ _clock: Record<string, Timer> }} */ (/** @type {unknown} */ (this))._clock;
    for (const name of OF_CLOCK) this.#share(clock, name, clock[`_${name}`]);
    for (const name of OF_PROMISES) this.#share(/** @type {any} */ (promises), name, real[name]);
  }

  /** @param {Record<string, Timer>} owner @param {string} name @param {Timer | undefined} real Undefined: it is not faked. */
  #share(owner, name, real) {
    const fake = owner[name];
    if (!real || !fake || real === fake) return;
    /** @type {Timer} */
    const shared = (...args) => (files.getStore() === this ? fake : real)(...args);
    // The library keeps on its fakes what it needs to give the real ones back.
    owner[name] = Object.defineProperties(shared, Object.getOwnPropertyDescriptors(fake));
  }
}

module.exports = { TimersOfFile };
