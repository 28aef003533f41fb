/** `vmgroup verify`. */
import { readFileSync } from 'node:fs';
import type { Bundle, BundledHistory } from '../../record';
import { CliError, EXIT, messageOf } from '../errors';
import * as lazy from '../lazy';
import { counted, printLine } from '../output';
import { verifierFrom } from './location';

/** Options of `verify`. */
export interface VerifyOptions {
  /** Path of a public key. */
  key?: string;
}

/**
 * Verifies a bundle, and prints what it proves.
 *
 * @throws CliError if the file is no bundle; with exit code 1 if something does not fit.
 */
export async function verifyFile(file: string, { key }: VerifyOptions): Promise<void> {
  const bundle = readBundleFile(file);
  const verifier = key === undefined ? undefined : verifierFrom(key);
  const fault = await lazy.record().verifyBundle(bundle, { ...(verifier && { verifier }), replay });
  if (fault)
    throw new CliError(`${file}: ${fault.place}: ${fault.why}`, ['do not rely on what this bundle says'], {
      exitCode: EXIT.failed,
    });
  const events = bundle.runs.reduce((sum, { entries }) => sum + entries.length, 0);
  printLine(
    `${file}: ${counted(bundle.runs.length, 'run')}, ${counted(events, 'event')}: chain and replay match`,
  );
  printLine(
    verifier
      ? `signed by the key ${verifier.keyId}`
      : 'signatures were not checked: a change of the whole bundle would go unnoticed; name the public key with --key',
  );
}

function readBundleFile(file: string): Bundle {
  try {
    return lazy.record().readBundle(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error: unknown) {
    throw new CliError(
      `${file} is not a bundle: ${messageOf(error)}`,
      ['create one: vmgroup export GROUP --record WHERE -o FILE'],
      { cause: error },
    );
  }
}

async function replay(histories: readonly BundledHistory[]): Promise<(string | undefined)[]> {
  const named = histories.map(({ execution, workflowId, history }) => ({
    name: execution,
    workflowId,
    history,
  }));
  const results = await lazy.worker().replayHistories(named);
  return results.map(({ difference, fault }) => fault ?? difference);
}
