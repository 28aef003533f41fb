/** Puts events into the chains. */
import { canonicalJson } from '../../api';
import type { RecordEvent } from '../events';
import { hashOf, nextEntry, type Head, type RecordEntry } from './entry';
import type { Signer, Verifier } from './signer';

/** Where the chains end that new entries go into. */
export interface Ends {
  installation: string;
  head: Head;
  /** Of the run that the events are about; absent: they are about none. */
  runHead?: Head;
}

/** The entries of events that follow each other. The events are of one run, or of none. */
export async function link(
  events: readonly RecordEvent[],
  ends: Ends,
  signer: Signer | undefined,
): Promise<RecordEntry[]> {
  const entries: RecordEntry[] = [];
  let { head, runHead } = ends;
  for (const event of events) {
    const entry = nextEntry(ends.installation, event, head, runHead);
    head = { number: entry.chain.number, hash: entry.hash };
    if (entry.runChain) runHead = { number: entry.runChain.number, hash: entry.hash };
    const signature = signer && isSigned(event) ? await signer.sign(statement(entry)) : undefined;
    entries.push({ ...entry, ...(signature !== undefined && { signature }) });
  }
  return entries;
}

/** The entries that are signed: each commits to all entries before it. */
function isSigned({ kind }: RecordEvent): boolean {
  return kind === 'ExecutionRecorded' || kind === 'RunGap' || kind === 'RecorderGap';
}

/** Why an entry is not as it was written; undefined: it is. */
export async function entryFault(
  entry: RecordEntry,
  verifier: Verifier | undefined,
): Promise<string | undefined> {
  if (hashOf(entry) !== entry.hash) return 'its hash is not that of its content';
  if (!verifier || !isSigned(entry.event)) return undefined;
  if (entry.signature === undefined) return 'it is not signed';
  const signed = await verifier.open(entry.signature);
  if (signed === undefined) return `it was not signed by the key ${verifier.keyId}`;
  return signed === statement(entry) ? undefined : 'its signature is that of another entry';
}

function statement({ installation, chain, hash }: RecordEntry): string {
  return canonicalJson({ type: 'vmgroup-record-entry', installation, number: chain.number, hash });
}
