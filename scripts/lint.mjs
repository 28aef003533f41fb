/** Checks types, lint, import cycles and format side by side (`npm run lint`). Prints what each found once it ends; exit code 1 if one of them failed. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, 'node_modules');

// The caches of tsc and Prettier know all that a result depends on. That of ESLint does not: its rules read types of other files.
const checks = [
  ['eslint', '.'],
  ['tsc', '-p', 'tsconfig.json'],
  ['node', 'scripts/guarantees.mjs', '--check'],
  ['depcruise', '--config', '.dependency-cruiser.cjs', '.'],
  ['prettier', '--check', '.', '--cache'],
];

function run([program, ...args]) {
  const began = Date.now();
  const command = program === 'node' ? process.execPath : path.join(modules, '.bin', program);
  const child = spawn(command, args, { cwd: root });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const seconds = Math.round((Date.now() - began) / 1_000);
      process.stdout.write(
        `${program}: ${code === 0 ? 'passed' : 'failed'} (${seconds} s)\n${code === 0 ? '' : output}`,
      );
      resolve(code === 0);
    });
  });
}

const passed = await Promise.all(checks.map(run));
process.exitCode = passed.every(Boolean) ? 0 : 1;
