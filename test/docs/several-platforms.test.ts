/** D6: the page about several platforms, from its simulators to the group that has converged across them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DEFAULT_INVENTORY } from '../../api';
import { SimulatorConsole } from '../../platforms/simulated';
import { startSimulator } from '../../simulator';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { effects } from '../support/system';
import { blocksOf, commandsOf, savedAs } from './documents';

const PAGE = 'docs/how-to/several-platforms.md';

jest.setTimeout(180_000);

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-sites-'));
const stops: (() => Promise<void>)[] = [];
beforeAll(() => buildWhenStale());
afterAll(async () => {
  for (const stop of stops) await stop();
  rmSync(dir, { recursive: true, force: true });
});

async function site(name: string): Promise<string> {
  const dataDir = path.join(dir, name);
  mkdirSync(dataDir);
  const simulator = await startSimulator({ dataDir, inventory: DEFAULT_INVENTORY });
  stops.push(() => simulator.close());
  return simulator.address;
}

test(PAGE, async () => {
  const [east, west] = [await site('east'), await site('west')];
  mkdirSync(path.join(dir, 'shop'));
  for (const block of blocksOf(PAGE)) {
    const file = savedAs(block);
    const text = block.text.replace('http://127.0.0.1:7081', east).replace('http://127.0.0.1:7082', west);
    if (file !== undefined) writeFileSync(path.join(dir, file), text);
  }
  const up = blocksOf(PAGE)
    .flatMap((block) => commandsOf(PAGE, block))
    .find(({ words: [, verb] }) => verb === 'up');
  const result = await vmgroup(up?.words.slice(1) ?? [], { cwd: dir });
  expect(`${result.stderr}${result.stdout}`).toContain('Converged');
  expect(result.code).toBe(0);
  expect(effects(await new SimulatorConsole(east).journal(), 'production')).toEqual(['PoweredOn db']);
  expect(effects(await new SimulatorConsole(west).journal(), 'production')).toEqual(['PoweredOn web']);
});
