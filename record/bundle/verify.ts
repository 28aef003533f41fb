/**
 * Verifies a bundle without any server, and names the first place that does not fit.
 *
 * VERIFY-1: each entry has the hash of its content and follows the one before in its run; those that follow each other in the installation do so
 *     in its chain too.
 * VERIFY-2: the events of each execution are those that its history gives, all of them, in the same order; and the history is the one that was
 *     recorded.
 * VERIFY-3: digest and signatures are those of this content. Only a key that the caller names proves who made them.
 * VERIFY-4: the workflow, replayed on each history, takes the same steps.
 */
import { canonicalJson } from '../../api';
import { entryFault, historyMark, NO_HASH, type RecordEntry, type Verifier } from '../chain';
import { deriveEvents, HistoryError } from '../derive';
import type { RunEvent } from '../events';
import { bundleStatement, digestOf, type Bundle, type BundledHistory, type BundledRun } from './bundle';

/** The first place that does not fit. */
export interface Fault {
  /** In the file: `runs[0].entries[12]`. */
  place: string;
  why: string;
}

/** Replays histories; resolves to what differs in each, undefined for those where nothing does. */
export type Replay = (histories: readonly BundledHistory[]) => Promise<(string | undefined)[]>;

/** What is verified with. */
export interface VerifyOptions {
  /** Absent: signatures are not checked, so anyone may have made the bundle. */
  verifier?: Verifier;
  replay: Replay;
}

/** The first place that does not fit; undefined: all of it fits. */
export async function verifyBundle(
  bundle: Bundle,
  { verifier, replay }: VerifyOptions,
): Promise<Fault | undefined> {
  for (const [index, run] of bundle.runs.entries()) {
    const at = `runs[${index}]`;
    const fault = (await chainFault(run, at, verifier)) ?? historyFault(run, at);
    if (fault) return fault;
  }
  return (
    installationFault(bundle) ?? (await sealFault(bundle, verifier)) ?? (await replayFault(bundle, replay))
  );
}

/** VERIFY-1, of one run. */
async function chainFault(
  { run, onRecord, entries }: BundledRun,
  at: string,
  verifier: Verifier | undefined,
): Promise<Fault | undefined> {
  let previous = NO_HASH;
  for (const [index, entry] of entries.entries()) {
    const place = `${at}.entries[${index}]`;
    const why =
      (await entryFault(entry, onRecord ? verifier : undefined)) ?? linkFault(entry, index, previous);
    if (why !== undefined) return { place, why };
    if (!('run' in entry.event) || canonicalJson(entry.event.run) !== canonicalJson(run))
      return { place, why: 'it is about another run' };
    previous = entry.hash;
  }
  return entries.length === 0 ? { place: at, why: 'it has no entries' } : undefined;
}

function linkFault({ runChain }: RecordEntry, index: number, previous: string): string | undefined {
  if (runChain?.number !== index + 1)
    return `it is entry ${runChain?.number ?? 'without a number'} of its run, and ${index + 1} comes next: entries were removed, added or moved`;
  return runChain.previous === previous ? undefined : 'it does not follow the entry before it';
}

/** VERIFY-2. */
function historyFault({ entries, histories, isOpen }: BundledRun, at: string): Fault | undefined {
  const recorded = new Set<string>();
  for (const [index, { event }] of entries.entries()) {
    const place = `${at}.entries[${index}]`;
    if (event.kind === 'ExecutionRecorded') {
      const kept = histories.find(({ execution }) => execution === event.execution);
      if (!kept) return { place, why: `the history of ${event.execution} is missing` };
      if (canonicalJson(historyMark(kept.history)) !== canonicalJson(event.history))
        return {
          place: `${at}.histories[${histories.indexOf(kept)}]`,
          why: 'it is not the history that was recorded',
        };
      const fault = eventsFault(kept, entries, recorded, at);
      if (fault) return fault;
      recorded.add(event.execution);
    }
    if (event.kind === 'ContinuedAsNew' && isOpen !== true && !knows(entries, event.next))
      return { place, why: `the execution ${event.next}, which continues the run, is missing` };
  }
  const open = histories.filter(({ execution }) => !recorded.has(execution));
  for (const history of open) {
    const fault = eventsFault(history, entries, recorded, at);
    if (fault) return fault;
  }
  return undefined;
}

/** Whether the entries have an execution, or say that it is lost: that it was seen is not enough. */
function knows(entries: readonly RecordEntry[], execution: string): boolean {
  return entries.some(
    ({ event }) =>
      'execution' in event &&
      event.execution === execution &&
      (event.source.from === 'History' || event.kind === 'RunGap'),
  );
}

function eventsFault(
  { execution, workflowId, history }: BundledHistory,
  entries: readonly RecordEntry[],
  recorded: ReadonlySet<string>,
  at: string,
): Fault | undefined {
  const onRecord = entries.flatMap(({ event }, index) =>
    'run' in event && event.execution === execution && event.source.from === 'History'
      ? [{ event, index }]
      : [],
  );
  let derived: RunEvent[];
  try {
    const name = { workflowId, runId: execution };
    const { before } = deriveEvents(history, name);
    derived = deriveEvents(history, name, { inherits: before !== undefined && recorded.has(before) }).events;
  } catch (error: unknown) {
    if (!(error instanceof HistoryError)) throw error;
    return { place: `${at} (history of ${execution})`, why: error.message };
  }
  for (const [index, { event, index: place }] of onRecord.entries()) {
    if (canonicalJson(event) !== canonicalJson(derived[index] ?? null))
      return { place: `${at}.entries[${place}]`, why: `it is not what the history of ${execution} says` };
  }
  const missing = derived[onRecord.length];
  return missing
    ? {
        place: `${at} (history of ${execution})`,
        why: `its event ${missing.kind} at ${missing.time} is not on record`,
      }
    : undefined;
}

/** VERIFY-1, of the installation. */
function installationFault({ runs }: Bundle): Fault | undefined {
  const placed = runs.flatMap(({ entries, onRecord }, run) =>
    onRecord ? entries.map((entry, index) => ({ entry, place: `runs[${run}].entries[${index}]` })) : [],
  );
  placed.sort((a, b) => a.entry.chain.number - b.entry.chain.number);
  for (const [index, { entry, place }] of placed.entries()) {
    const before = placed[index - 1]?.entry;
    if (!before || before.installation !== entry.installation) continue;
    const distance = entry.chain.number - before.chain.number;
    if (distance === 0) return { place, why: `it has the number of another entry, ${entry.chain.number}` };
    if (distance === 1 && entry.chain.previous !== before.hash)
      return { place, why: "it does not follow the entry before it in the installation's chain" };
  }
  return undefined;
}

/** VERIFY-3. */
async function sealFault(bundle: Bundle, verifier: Verifier | undefined): Promise<Fault | undefined> {
  if (digestOf(bundle) !== bundle.digest) return { place: 'digest', why: 'it is not that of this content' };
  if (!verifier) return undefined;
  if (bundle.signature === undefined) return { place: 'signature', why: 'the bundle is not signed' };
  const signed = await verifier.open(bundle.signature);
  if (signed === undefined)
    return { place: 'signature', why: `it was not made by the key ${verifier.keyId}` };
  return signed === bundleStatement(bundle.digest)
    ? undefined
    : { place: 'signature', why: 'it is that of another bundle' };
}

/** VERIFY-4. */
async function replayFault({ runs }: Bundle, replay: Replay): Promise<Fault | undefined> {
  const placed = runs.flatMap(({ histories }, run) =>
    histories.map((history, index) => ({ history, place: `runs[${run}].histories[${index}]` })),
  );
  const differences = await replay(placed.map(({ history }) => history));
  const first = differences.findIndex((difference) => difference !== undefined);
  const place = placed[first]?.place;
  return place === undefined ? undefined : { place, why: `its replay differs: ${differences[first]}` };
}
