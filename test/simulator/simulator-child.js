/** A simulator in a process of its own, for tests that kill it. Reads the TypeScript sources the way Jest does. */
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { join } = require('node:path');
const { transformSync } = require('@swc/core');

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  module._compile(code, filename);
};

const { startSimulator } = require(join(module.path, '../../simulator/index.ts'));
const { inventory } = require(join(module.path, 'fixtures.ts'));

void startSimulator({
  dataDir: process.argv[2],
  inventory: inventory({ powerOnTime: { min: 0, max: 200 } }),
}).then(({ address }) => process.send(address));
// A test that dies must not leave this behind.
process.on('disconnect', () => process.exit(0));
