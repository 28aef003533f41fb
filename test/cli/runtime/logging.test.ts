/** Warnings from Node. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';

test('are logged and not printed, and other listeners stay', () => {
  const script = `
    process.on('warning', ({ message }) => console.log('other: ' + message));
    const { logWarnings } = require('./cli/runtime/logging.ts');
    logWarnings({ warn: ({ err }) => console.log('log: ' + err.message) });
    process.emitWarning('careful');
  `;
  const output = execFileSync(process.execPath, ['--import', 'tsx', '-e', `${script}`], {
    cwd: path.join(__dirname, '../../..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect(output.trim().split('\n')).toEqual(['other: careful', 'log: careful']);
});
