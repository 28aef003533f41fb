const os = require('node:os');
const path = require('node:path');
const tiers = require('./test/tiers');
const { clientNodeBundle } = require('./test/support/client-node-bundle');

const clientNode = clientNodeBundle();

/** @param {keyof typeof tiers} tier @returns {Partial<import('jest').ProjectConfig>} */
function project(tier) {
  return {
    displayName: tier,
    testEnvironment: 'node',
    // Jest's sandbox looks each global up by a slow call. As parameters of a module these are quick: the solver takes a third of the time. None
    // that a package declares itself, such as Buffer.
    sandboxInjectedGlobals: ['Array', 'JSON', 'Math', 'Number', 'Object'],
    roots: ['<rootDir>/test'],
    testMatch: tiers[tier].map((test) => `**/${path.relative(__dirname, test)}`),
    transform: {
      '^.+\\.[cm]?[jt]s$': [
        '@swc/jest',
        { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
      ],
    },
    moduleNameMapper: { '^@kubernetes/client-node$': clientNode },
    // These packages ship ES modules only, which Jest's loader cannot require untransformed.
    transformIgnorePatterns: [
      '/node_modules/(?!(@kubernetes/client-node|socks-proxy-agent|agent-base|http-proxy-agent|https-proxy-agent|openid-client|oauth4webapi|jose|fast-check|pure-rand|chokidar|readdirp|p-map|p-queue|p-retry|p-timeout|is-network-error|eventemitter3|log-update|ansi-escapes|cli-cursor|restore-cursor|slice-ansi|string-width|strip-ansi|wrap-ansi|is-fullwidth-code-point|get-east-asian-width|ansi-styles|ansi-regex|onetime|mimic-function|environment)/)',
    ],
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
