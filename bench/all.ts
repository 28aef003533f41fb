/** Runs every benchmark, one after the other, and says which kept their bounds. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import Table from 'cli-table3';

const BENCHMARKS = [
  'actions',
  'idle',
  'size',
  'start',
  'step-overhead',
  'remaining-delay',
  'late-port',
  'thousand',
  'placement',
  'kubernetes',
  'vsphere',
];

const table = new Table({ head: ['benchmark', 'took', 'bounds'], style: { head: [], border: [] } });
for (const name of BENCHMARKS) {
  const began = Date.now();
  const { status } = spawnSync(process.execPath, [...process.execArgv, path.join(__dirname, `${name}.ts`)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
  table.push([name, `${((Date.now() - began) / 1000).toFixed(0)} s`, status === 0 ? 'kept' : 'MISSED']);
}
console.log(table.toString());
