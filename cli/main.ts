#!/usr/bin/env node
/** The `vmgroup` command. Node is checked before anything is loaded that an old one cannot load. */
/* eslint-disable @typescript-eslint/no-require-imports -- an import would be loaded before the check */
import type * as CommandLine from './command-line';
import type * as CompiledCode from './compiled-code';
import { nodeCure } from './node-version';

const cure = nodeCure(process.versions.node);
if (cure === undefined) {
  (require('./compiled-code') as typeof CompiledCode).keepCompiledCode(process.env);
  void (require('./command-line') as typeof CommandLine).main();
} else {
  // eslint-disable-next-line no-restricted-syntax -- what prints is loaded after the check, and this text is ours
  process.stderr.write(`error: vmgroup does not run on Node.js ${process.versions.node}\n  → ${cure}\n`);
  process.exitCode = 1;
}
