/**
 * Runs test files in the realm of their worker process. Jest's own environment gives each file a sandbox, in which all packages are compiled
 * and run again: more than half of the CPU time of a file that only computes (23 such files: 26.6 s with sandboxes, 12 s without).
 *
 * - Our modules run once a file, as in a sandbox, so that each file has state and mocks of its own; V8 compiles them once a process.
 * - Packages run once a process. A mock replaces a package for our modules, not for other packages.
 * - Fake timers are those of the file that asks for them. Other files may have left something running in the process.
 * - What a file changes in the realm is undone when it ends. Built-in objects such as `Array.prototype` are not watched.
 */
const { ModuleMocker } = require('jest-mock');
const { REALM, compileForRealm } = require('./modules');
const { TimersOfFile } = require('./timers-of-a-file');
const { rememberRealm, rememberStacks } = require('./traces-of-a-file');

compileForRealm();

/** @implements {import('@jest/environment').JestEnvironment} */
module.exports = class RealmOfTheWorker {
  global = globalThis;
  moduleMocker = new ModuleMocker(globalThis);
  fakeTimers = null;

  /** What undoes the changes of this file, the last first. */
  #undo = [rememberRealm()];
  #torn = false;

  /** @param {import('@jest/environment').JestEnvironmentConfig} config */
  constructor({ projectConfig }) {
    this.fakeTimersModern = new TimersOfFile({ config: projectConfig, global: globalThis });
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  /** Jest loads no more modules once it gets `null`. */
  getVmContext() {
    return this.#torn ? null : REALM;
  }

  async setup() {
    this.fakeTimersModern.begin();
    // By now Jest maps stack traces to sources, as it does until the process ends.
    this.#undo.unshift(rememberStacks());
  }

  async teardown() {
    this.#torn = true;
    this.fakeTimersModern.dispose();
    this.moduleMocker.restoreAllMocks();
    for (const undo of this.#undo) undo();
  }
};
