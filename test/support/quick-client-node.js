/** Preloaded by commands that run to their end: they load client-node from one file, which saves each of them 0.4 s of CPU time. */
const Module = require('node:module');
const { clientNodeBundle } = require('./client-node-bundle');

const bundle = clientNodeBundle();
const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...rest) =>
  request === '@kubernetes/client-node' ? bundle : resolve(request, ...rest);
