/**
 * A simulator in a process of its own, for tests that kill it. Reads the TypeScript sources the way Jest does.
 *
 * Arguments: its folder, and as JSON what else `startSimulator` takes. With `kubeconfig` in it, it also stands in for VM Operator in the
 * `namespaces` of that API server.
 */
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

const [, , dataDir, more = '{}'] = process.argv;
const { kubeconfig, namespaces, guestPatience, ...options } = JSON.parse(more);
const { startSimulator, VmController } = require(join(module.path, '../../simulator/index.ts'));
const { inventory } = require(join(module.path, 'fixtures.ts'));

void startSimulator({
  dataDir,
  inventory: inventory({ powerOnTime: { min: 0, max: 200 } }),
  ...options,
}).then(async ({ address, machine }) => {
  if (kubeconfig !== undefined) {
    const { connectKubernetes } = require(join(module.path, '../../kubernetes/index.ts'));
    const api = connectKubernetes({ kubeconfig });
    await new VmController({ api, machine, namespaces, guestPatience }).synced();
  }
  process.send(address);
});
// A test that dies must not leave this behind.
process.on('disconnect', () => process.exit(0));
