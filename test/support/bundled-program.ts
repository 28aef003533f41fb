/** A TypeScript program as one file of JavaScript: a test that starts it a hundred times does not compile it a hundred times. */
import { mkdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** Where packages are found from. */
const CACHE = path.join(__dirname, '../../node_modules/.cache/vmgroup');

/** Bundles a program of ours, without the packages that it imports. Returns the path of the file. */
export function bundledProgram(source: string): string {
  // The bundler of tsx, which is why it is there.
  const { buildSync } = createRequire(require.resolve('tsx'))('esbuild') as {
    buildSync: (options: object) => void;
  };
  const file = path.join(CACHE, `${path.basename(source, '.ts')}.cjs`);
  const draft = `${file}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  buildSync({
    entryPoints: [source],
    outfile: draft,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  renameSync(draft, file);
  return file;
}
