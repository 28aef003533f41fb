/** Checks of this machine: Node, Temporal's command line tool, the data folder. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import { nodeCure } from '../node-version';
import { findTemporalCli, TEMPORAL_CLI_VARIABLE, versionOf } from '../temporal-server';
import type { CheckResult } from './check-result';

/** Checks the version of Node. */
export function checkNode(): CheckResult {
  const cure = nodeCure(process.versions.node);
  return {
    check: 'node',
    result: cure === undefined ? 'ok' : 'problem',
    message: process.version,
    ...(cure !== undefined && { cure }),
  };
}

/** Checks whether there is a Temporal command line tool. Installs nothing. */
export async function checkTemporalTool(): Promise<CheckResult> {
  const check = 'temporal tool';
  try {
    const { path: binary, from } = await findTemporalCli({ installMissing: false });
    return { check, result: 'ok', message: `${await versionOf(binary)} at ${binary} (${from})` };
  } catch (error: unknown) {
    if (!(error instanceof CliError)) throw error;
    const isNamed = Boolean(process.env[TEMPORAL_CLI_VARIABLE]);
    return {
      check,
      result: isNamed ? 'problem' : 'note',
      message: error.message,
      cure: error.nextSteps.join(', '),
    };
  }
}

/** Checks whether the data folder can be written, and which process works on it. */
export function checkDataFolder(data: string): CheckResult {
  const check = 'data folder';
  const { dir } = dataFolder(data);
  const live = readLiveRecord(dataFolder(data));
  if (live)
    return { check, result: 'ok', message: `vmgroup ${live.command} (pid ${live.pid}) works on ${dir}` };
  try {
    let nearest = dir;
    while (!existsSync(nearest)) nearest = path.dirname(nearest);
    if (!statSync(nearest).isDirectory()) throw new Error(`${nearest} is not a folder`);
    accessSync(nearest, constants.W_OK);
    return { check, result: 'ok', message: `${dir}, not in use` };
  } catch (error: unknown) {
    return {
      check,
      result: 'problem',
      message: `${dir} cannot be written: ${messageOf(error)}`,
      cure: 'make it writable, or name another one with --data DIR',
    };
  }
}
