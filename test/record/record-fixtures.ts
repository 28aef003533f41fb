/** Keys, events and checks for tests of the record. */
import { generateKeyPairSync } from 'node:crypto';
import { entryFault, NO_HASH, type RecordEntry, type Verifier } from '../../record/chain';
import type { RunEvent, RunRef } from '../../record';
import type { RecordReader } from '../../record/store';

/** A pair of Ed25519 keys, PEM. */
export function keys(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** Events of one execution: it began, an operator paused it, and it is recorded. */
export function eventsOf(name: string, execution = `${name}-1`): RunEvent[] {
  const run: RunRef = {
    namespace: 'prod',
    group: name,
    workflowId: `vmgroup/prod/${name}`,
    runId: `${name}-1`,
    root: 'root',
  };
  const at = (second: number): string => new Date(1_795_460_463_000 + second * 1_000).toISOString();
  const of = { run, execution };
  const history = { ...of, source: { from: 'History', eventId: 1 } } as const;
  return [
    { kind: 'ExecutionStarted', workflow: 'virtualMachineGroup', time: at(0), ...history },
    {
      kind: 'CommandReceived',
      verb: 'pause',
      actor: { name: 'anna', known: false },
      reason: 'INC-1 \u0000\ud800 "é"',
      time: at(1),
      ...history,
    },
    {
      kind: 'ExecutionRecorded',
      status: 'COMPLETED',
      history: { events: 2, sha256: NO_HASH },
      time: at(2),
      ...of,
      source: { from: 'Recorder' },
    },
  ];
}

export async function allOf(
  store: RecordReader,
  ...filter: Parameters<RecordReader['entries']>
): Promise<RecordEntry[]> {
  const entries: RecordEntry[] = [];
  for await (const entry of store.entries(...filter)) entries.push(entry);
  return entries;
}

/** Fails unless the chains of the whole record are whole. */
export async function expectWhole(entries: readonly RecordEntry[], verifier?: Verifier): Promise<void> {
  let previous = NO_HASH;
  const runs = new Map<string, { number: number; hash: string }>();
  for (const [index, entry] of entries.entries()) {
    expect(entry.chain).toEqual({ number: index + 1, previous });
    expect(await entryFault(entry, verifier)).toBeUndefined();
    previous = entry.hash;
    if (!('run' in entry.event)) continue;
    const before = runs.get(entry.event.run.runId) ?? { number: 0, hash: NO_HASH };
    expect(entry.runChain).toEqual({ number: before.number + 1, previous: before.hash });
    runs.set(entry.event.run.runId, { number: before.number + 1, hash: entry.hash });
  }
}
