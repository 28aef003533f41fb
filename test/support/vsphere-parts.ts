/** Finds the simulated vCenter for tests; builds it into a cache of the user before the tests begin. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../cli/errors';
import { cacheDir } from '../../cli/cache-dir';
import { install, isExecutable } from '../../cli/temporal-server/program-cache';
import { buildGo } from './go-build';

/** What names a program to use. */
const VARIABLE = 'VMGROUP_VCENTER_SIMULATOR';
const MODULE = path.join(__dirname, '../parts/vsphere');

/** Where the program is and how it came there. */
export interface VcenterSimulator {
  path: string;
  from: 'environment' | 'cache' | 'go build';
}

/**
 * The program: the one that `VMGROUP_VCENTER_SIMULATOR` names, else the one in `~/.cache/vmgroup/vsphere`.
 *
 * @throws Error with a cure when there is none.
 */
export async function findVcenterSimulator(): Promise<VcenterSimulator> {
  const found = await find();
  if (!found) throw new Error('the simulated vCenter is missing: run `npm run test:parts`, which builds it');
  return found;
}

/**
 * The same, and if it is missing it is built.
 *
 * @throws Error with a cure when it cannot be built.
 */
export async function prepareVcenterSimulator(
  onProgress: (message: string) => void,
): Promise<VcenterSimulator> {
  const found = await find();
  if (found) return found;
  const target = cachePath();
  try {
    await install({ target, onProgress, fetchInto: (draft) => build(draft, onProgress) });
    return { path: target, from: 'go build' };
  } catch (error: unknown) {
    throw new Error(
      `the simulated vCenter could not be built (go build: ${messageOf(error)}): install Go 1.25 or later, ` +
        `or set ${VARIABLE} to the path of a program built from ${MODULE}`,
      { cause: error },
    );
  }
}

async function find(): Promise<VcenterSimulator | undefined> {
  const named = process.env[VARIABLE];
  if (named) {
    if (await isExecutable(named)) return { path: path.resolve(named), from: 'environment' };
    throw new Error(
      `${VARIABLE} is ${named}, which is no program: correct it, or unset it to have one built`,
    );
  }
  const cached = cachePath();
  return (await isExecutable(cached)) ? { path: cached, from: 'cache' } : undefined;
}

/** Named by its sources, so that a change of them builds it again. */
function cachePath(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(MODULE).sort()) hash.update(readFileSync(path.join(MODULE, file)));
  return path.join(cacheDir(process.env), 'vsphere', hash.digest('hex').slice(0, 16), 'vcenter-simulator');
}

async function build(draft: string, onProgress: (message: string) => void): Promise<string> {
  const output = path.join(draft, 'vcenter-simulator');
  await buildGo({ module: MODULE, package: '.', output, what: 'the simulated vCenter', onProgress });
  return output;
}
