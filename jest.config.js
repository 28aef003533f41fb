const os = require('node:os');
const path = require('node:path');
const tiers = require('./test/tiers');

/** @param {keyof typeof tiers} tier @returns {Partial<import('jest').ProjectConfig>} */
function project(tier) {
  return {
    displayName: tier,
    testEnvironment: '<rootDir>/test/environment/index.js',
    // Node's own streams use the queues of the process, in whose realm tests run.
    fakeTimers: { doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] },
    roots: ['<rootDir>/test'],
    testMatch: tiers[tier].map((test) => `**/${path.relative(__dirname, test)}`),
    transform: {
      '^.+\\.[cm]?[jt]s$': [
        '@swc/jest',
        { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
      ],
    },
  };
}

/** @type {import('jest').Config} */
module.exports = {
  projects: [
    project('unit'),
    {
      ...project('temporal'),
      globalSetup: '<rootDir>/test/support/set-up-temporal.ts',
      globalTeardown: '<rootDir>/test/support/tear-down-temporal.ts',
    },
    { ...project('cluster'), globalSetup: '<rootDir>/test/support/set-up-cluster.ts' },
  ],
  testTimeout: 120_000,
  testSequencer: '<rootDir>/test/sequencer.js',
  // Most tests wait for servers and virtual machines, not for a core.
  maxWorkers: os.availableParallelism() + 2,
};
