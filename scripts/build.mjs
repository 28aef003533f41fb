/** Builds `dist/`: compiles every folder, then bundles the workflow once so that no worker has to do it at start. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});

// The compiler leaves the output of deleted sources, and `model.js` of before would win over a folder `model/`.
for (const file of readdirSync(path.join(root, 'dist'), { recursive: true })) {
  const source = file.replace(/\.js(\.map)?$/, '.ts');
  if (source !== file && !existsSync(path.join(root, source))) rmSync(path.join(root, 'dist', file));
}

const { bundleWorkflowCode, DefaultLogger } = require('@temporalio/worker');
const { code } = await bundleWorkflowCode({
  workflowsPath: path.join(root, 'dist/workflows/index.js'),
  workflowInterceptorModules: [path.join(root, 'dist/workflows/interceptors.js')],
  payloadConverterPath: path.join(root, 'dist/workflows/payload-converter.js'),
  logger: new DefaultLogger('WARN'),
});
writeFileSync(path.join(root, 'dist/workflow-bundle.js'), code);

const main = path.join(root, 'dist/cli/main.js');
if (existsSync(main)) chmodSync(main, 0o755);
