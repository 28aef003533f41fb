/**
 * Preloaded by commands that run to their end: they load client-node, which has a thousand modules, from one file. That saves each of them 0.4 s
 * of CPU time. Other packages are left out of the file, so there is one copy of each.
 */
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

/** What we use of it, without the modules that need other packages. The whole would be 15 MB. */
const USED = `
import './dist/polyfill.js';
export { KubeConfig } from './dist/config.js';
export { PatchStrategy } from './dist/patch.js';
export { HttpMethod, IsomorphicFetchHttpLibrary, RequestContext } from './dist/gen/http/http.js';
`;

const modules = path.join(__dirname, '../../node_modules');
const client = path.join(modules, '@kubernetes/client-node');

/** @returns {string} path of the file; it is made when this version of client-node has none yet. */
function clientNodeBundle() {
  const { version } = JSON.parse(fs.readFileSync(path.join(client, 'package.json'), 'utf8'));
  const file = path.join(modules, `.cache/vmgroup/used-of-client-node-${version}.cjs`);
  if (fs.existsSync(file)) return file;
  // The bundler of tsx, which is why it is there.
  const esbuild = require(require.resolve('esbuild', { paths: [require.resolve('tsx')] }));
  const draft = `${file}.${process.pid}`;
  esbuild.buildSync({
    stdin: { contents: USED, resolveDir: client },
    outfile: draft,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  fs.renameSync(draft, file);
  return file;
}

const bundle = clientNodeBundle();
const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...rest) =>
  request === '@kubernetes/client-node' ? bundle : resolve(request, ...rest);
