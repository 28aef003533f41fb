/**
 * The import table of the folders, the fences of workflow code, and lookups by names, as lint holds them.
 *
 * Guarantees: G3.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const IMPORTS = '@typescript-eslint/no-restricted-imports';
const LOOKUP = 'vmgroup/unchecked-lookup';

const REFUSED: [file: string, line: string, rule: string][] = [
  ['api/model.ts', "export { memberKey } from '../contract';", IMPORTS],
  ['contract/plan.ts', "export { decide } from '../workflows';", IMPORTS],
  ['contract/plan.ts', "export { PlatformError } from '../platforms';", IMPORTS],
  ['activities/power.ts', "export { memberKey } from '../contract/plan';", IMPORTS],
  ['bridge/bridge.ts', "export { Observer } from '../platforms';", IMPORTS],
  ['bridge/bridge.ts', "export { decide } from '../workflows';", IMPORTS],
  ['kubernetes/index.ts', "export { parseManifests } from '../api';", IMPORTS],
  ['limits/index.ts', "export { parseManifests } from '../api';", IMPORTS],
  ['files/index.ts', "export { parseManifests } from '../api';", IMPORTS],
  ['http/index.ts', "export { parseManifests } from '../api';", IMPORTS],
  ['activities/power.ts', "export { connectKubernetes } from '../kubernetes';", IMPORTS],
  ['platforms/observer.ts', "export { startBridge } from '../bridge';", IMPORTS],
  ['platforms/simulated/client.ts', "export { startSimulator } from '../../simulator';", IMPORTS],
  ['simulator/machine/machine.ts', "export { startWorker } from '../worker';", IMPORTS],
  ['activities/power.ts', "export { startWorker } from '../worker';", IMPORTS],
  ['activities/power.ts', "export { DEFAULT_POLICY } from '../api/sequence-policy';", IMPORTS],
  ['workflows/changes.ts', "export { createActivities } from '../activities';", IMPORTS],
  ['workflows/changes.ts', "export { readFileSync } from 'node:fs';", IMPORTS],
  ['workflows/changes.ts', 'export const seen = new Map<string, string>();', 'no-restricted-syntax'],
  ['workflows/changes.ts', 'export const chance = Math.random();', 'no-restricted-properties'],
  ['workflows/planner/next-steps.ts', 'export const now = Date.now();', 'no-restricted-globals'],
  ['workflows/operator-commands.ts', 'export const now = Date.now();', 'no-restricted-globals'],
  ['bridge/bridge.ts', 'export const at = (of: Record<string, string>, key: string) => of[key];', LOOKUP],
  [
    'cli/program.ts',
    'export const at = (of: Record<`v${string}`, 1>, key: `v${string}`) => of[key];',
    LOOKUP,
  ],
  ['placement/index.ts', 'export const is = (of: Record<string, string>, key: string) => key in of;', LOOKUP],
  [
    'api/rules/rules.ts',
    'export const add = (of: Record<string, number>, key: string) => (of[key] ??= 1);',
    LOOKUP,
  ],
  [
    'platforms/libvirt/host.ts',
    'export const ended = (by: AbortSignal) => AbortSignal.any([by, AbortSignal.timeout(1)]);',
    'no-restricted-syntax',
  ],
  [
    'platforms/libvirt/host.ts',
    'export function ended(by: AbortSignal) { const late = AbortSignal.timeout(1); return AbortSignal.any([by, late]); }',
    'no-restricted-syntax',
  ],
  [
    'cli/program.ts',
    'export const ended = (by: AbortSignal) => AbortSignal.any([by, AbortSignal.timeout(1)]);',
    'no-restricted-syntax',
  ],
];

const ALLOWED: [file: string, line: string][] = [
  ['workflows/changes.ts', "export type { Activities } from '../contract';"],
  ['platforms/platform.ts', "export type { Operation } from '../contract';"],
  ['workflows/changes.ts', "export { formatDuration } from '../api/duration';"],
  ['bridge/bridge.ts', "export { memberKey } from '../contract';"],
  ['activities/power.ts', "export { Observer } from '../platforms';"],
  ['simulator/machine/machine.ts', "export { PlatformError } from '../platforms';"],
  ['bridge/bridge.ts', "export { connectKubernetes } from '../kubernetes';"],
  ['cli/program.ts', "export { startBridge } from '../bridge';"],
  ['api/own.ts', 'export const at = (of: Record<string, string>, key: string) => of[key];'],
  [
    'limits/signals.ts',
    'export const ended = (by: AbortSignal) => AbortSignal.any([by, AbortSignal.timeout(1)]);',
  ],
  ['bridge/bridge.ts', 'export const ended = (by: AbortSignal) => AbortSignal.any([by]);'],
  ['bridge/bridge.ts', "export const at = (of: Record<string, string>) => of['name'];"],
  ['bridge/bridge.ts', "export const at = (of: Record<'a' | 'b', string>, key: 'a' | 'b') => of[key];"],
  ['bridge/bridge.ts', 'export const at = (of: string[], index: number) => of[index];'],
  ['bridge/bridge.ts', 'export const set = (of: Record<string, 1>, key: string) => void (of[key] = 1);'],
];

/** The rules that object to each line, were it the whole of its file. In a process of its own: Jest cannot load ESLint's configuration. */
const objections = JSON.parse(
  execFileSync(process.execPath, [path.join(__dirname, '../support/lint-lines.mjs')], {
    input: JSON.stringify([...REFUSED, ...ALLOWED].map(([file, line]) => ({ file, line }))),
    encoding: 'utf8',
  }),
) as string[][];

it.each(REFUSED.map(([file, line, rule], index) => ({ file, line, rule, index })))(
  '$file may not hold: $line',
  ({ rule, index }) => {
    expect(objections[index]).toContain(rule);
  },
);

it.each(ALLOWED.map(([file, line], index) => ({ file, line, index })))(
  '$file may hold: $line',
  ({ index }) => {
    const rules = objections[REFUSED.length + index];
    expect(
      rules?.filter((rule) => rule.includes('restricted') || rule === LOOKUP || rule === 'none'),
    ).toEqual([]);
  },
);

it('lints lines of files that exist', () => {
  const files = [...REFUSED, ...ALLOWED].map(([file]) => file);
  expect(files.filter((file) => !existsSync(path.join(__dirname, '../..', file)))).toEqual([]);
});
