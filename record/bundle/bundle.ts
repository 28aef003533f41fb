/**
 * Bundles: one file that proves what a run, or a whole failover, has done. It needs nothing else to be verified but the public key.
 */
import { canonicalJson } from '../../api';
import { asEntry, historyMark, sha256, type RecordEntry, type Signer } from '../chain';
import type { RunRef } from '../events';

/** Names the format, and its version. */
const BUNDLE_FORMAT = 'vmgroup-record/1';

/** The history of one execution, in the JSON form of Temporal's own tools. */
export interface BundledHistory {
  execution: string;
  workflowId: string;
  history: { events: unknown[] };
}

/** One run. */
export interface BundledRun {
  run: RunRef;
  /** False: the run is open, or the record lacks it: its entries are in a chain of this bundle alone. */
  onRecord: boolean;
  /** The run continues. */
  isOpen?: true;
  entries: RecordEntry[];
  /** One for each execution whose history is kept, in order. */
  histories: BundledHistory[];
}

/** The file. */
export interface Bundle {
  format: typeof BUNDLE_FORMAT;
  /** ISO 8601. */
  exportedAt: string;
  runs: BundledRun[];
  /** SHA-256 of what the bundle holds: see {@link digestOf}. */
  digest: string;
  /** JWS over the digest, where a key was configured for the export. */
  signature?: string;
}

/** Makes a bundle, signed if there is a signer. */
export async function makeBundle(
  runs: BundledRun[],
  exportedAt: string,
  signer: Signer | undefined,
): Promise<Bundle> {
  const content = { format: BUNDLE_FORMAT, exportedAt, runs } as const;
  const digest = digestOf(content);
  const signature = await signer?.sign(bundleStatement(digest));
  return { ...content, digest, ...(signature !== undefined && { signature }) };
}

/** The digest: SHA-256 of the canonical JSON of time, runs, the hash of each entry and of each history. */
export function digestOf({ format, exportedAt, runs }: Omit<Bundle, 'digest' | 'signature'>): string {
  const content = runs.map(({ run, onRecord, isOpen, entries, histories }) => ({
    run,
    onRecord,
    isOpen,
    entries: entries.map(({ hash }) => hash),
    histories: histories.map(({ execution, history }) => ({ execution, ...historyMark(history) })),
  }));
  return sha256(canonicalJson({ format, exportedAt, runs: content }));
}

/** What the signature of a bundle is over. */
export function bundleStatement(digest: string): string {
  return canonicalJson({ type: BUNDLE_FORMAT, digest });
}

/** Thrown if a file is no bundle. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
}

/**
 * Reads a bundle. Whether it is genuine, `verifyBundle` says.
 *
 * @throws BundleError if it is none.
 */
export function readBundle(value: unknown): Bundle {
  const bundle = value as Partial<Bundle> | null;
  if (typeof bundle !== 'object' || bundle?.format !== BUNDLE_FORMAT)
    throw new BundleError(`it is not a bundle of the format ${BUNDLE_FORMAT}`);
  const { exportedAt, digest, signature, runs } = bundle;
  if (typeof exportedAt !== 'string' || typeof digest !== 'string' || !Array.isArray(runs))
    throw new BundleError('it lacks exportedAt, digest or runs');
  if (signature !== undefined && typeof signature !== 'string')
    throw new BundleError('its signature is not a string');
  for (const [index, run] of runs.entries()) checkRun(run, `runs[${index}]`);
  return bundle as Bundle;
}

function checkRun(value: unknown, at: string): void {
  const { run, onRecord, entries, histories } = (value ?? {}) as Partial<BundledRun>;
  if (typeof run?.runId !== 'string' || typeof run.workflowId !== 'string' || typeof onRecord !== 'boolean')
    throw new BundleError(`${at} lacks the name of its run`);
  if (!Array.isArray(entries) || !Array.isArray(histories))
    throw new BundleError(`${at} lacks entries or histories`);
  const broken = entries.findIndex((entry: unknown) => asEntry(entry) === undefined);
  if (broken !== -1) throw new BundleError(`${at}.entries[${broken}] is not an entry`);
  const isHistory = (each: Partial<BundledHistory> | null): boolean =>
    typeof each?.execution === 'string' &&
    typeof each.workflowId === 'string' &&
    Array.isArray(each.history?.events);
  const wrong = histories.findIndex((each: unknown) => !isHistory(each as Partial<BundledHistory> | null));
  if (wrong !== -1) throw new BundleError(`${at}.histories[${wrong}] is not a history`);
}
