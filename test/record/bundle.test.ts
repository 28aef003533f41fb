/** Bundles of recorded histories: whole ones verify, and each way to tamper with one is found at its place. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  deriveEvents,
  eventsAsCsv,
  makeBundle,
  readBundle,
  signerOf,
  unrecordedRun,
  verifierOf,
  verifyBundle,
  type Bundle,
  type BundledHistory,
  type Replay,
  type RunEvent,
} from '../../record';
import { EMPTY, hashOf, historyMark, link } from '../../record/chain';
import { digestOf } from '../../record/bundle/bundle';
import { replayHistories } from '../../worker';
import { workflowBundle } from '../support/workflow-bundle';
import { event, history as recordedHistory } from './histories';
import { keys } from './record-fixtures';

const own = keys();
const foreign = keys();
const signer = signerOf(own.privateKey);
const verifier = verifierOf(own.publicKey);
const AT = '2026-11-28T12:00:00.000Z';

const replay: Replay = async (histories) => {
  const named = histories.map(({ execution, workflowId, history }) => ({
    name: execution,
    workflowId,
    history,
  }));
  const results = await replayHistories(named, await workflowBundle());
  return results.map(({ difference }) => difference);
};

function historyOf(file: string, execution: string, workflowId = 'vmgroup/prod/app'): BundledHistory {
  const text = readFileSync(path.join(__dirname, '../histories', `${file}.json`), 'utf8');
  return { execution, workflowId, history: JSON.parse(text) as BundledHistory['history'] };
}

/** A bundle of a run as the recorder records it: its executions one after the other. */
async function bundleOf(files: string[]): Promise<Bundle> {
  const histories = files.map((file, index) => historyOf(file, `run-${index + 1}`));
  const events = histories.flatMap(({ execution, workflowId, history }): RunEvent[] => {
    const derived = deriveEvents(history, { workflowId, runId: execution });
    const recorded: RunEvent = {
      kind: 'ExecutionRecorded',
      status: 'COMPLETED',
      history: historyMark(history),
      run: derived.run,
      execution,
      time: AT,
      source: { from: 'Recorder' },
    };
    return [...derived.events, recorded];
  });
  const [first] = events as [RunEvent];
  const ends = { installation: 'here', head: EMPTY, runHead: EMPTY };
  const entries = await link(events, ends, signer);
  return makeBundle([{ run: first.run, onRecord: true, entries, histories }], AT, signer);
}

let bundle: Bundle;
beforeAll(async () => {
  bundle = await bundleOf(['parked-and-retried']);
});

test.each([[['parked-and-retried']], [['words']], [['terminated-cleaned-up']]])(
  'a bundle of %j verifies',
  async (files) => {
    const made = JSON.parse(JSON.stringify(await bundleOf(files))) as unknown;
    expect(await verifyBundle(readBundle(made), { verifier, replay })).toBeUndefined();
  },
);

test('a run that is not on record yet is exported in a chain of its own', async () => {
  const run = await unrecordedRun([historyOf('parked-open', 'run-1')], true);
  const made = await makeBundle([run], AT, signer);
  expect(await verifyBundle(made, { verifier, replay })).toBeUndefined();
  const lines = eventsAsCsv(run.entries).split('\r\n');
  expect(lines).toHaveLength(run.entries.length + 2);
  expect(lines[1]).toContain(',ExecutionStarted,');
});

test('SIGN-1: a bundle of runs from before and after the key was replaced verifies with both keys, and with no single one', async () => {
  const mixed = await makeBundle(bundle.runs, AT, signerOf(foreign.privateKey));
  const both = verifierOf(`${own.publicKey}\n${foreign.publicKey}`);
  expect(await verifyBundle(mixed, { verifier: both, replay })).toBeUndefined();
  expect(both.keyId.split(' or ')).toHaveLength(2);
  for (const { publicKey } of [own, foreign, keys()])
    expect((await verifyBundle(mixed, { verifier: verifierOf(publicKey), replay }))?.why).toMatch(
      /not (signed|made) by the key/,
    );
});

test('VERIFY-2: an execution that continues the run is missing if no more of it is there than that it was seen', async () => {
  const history = recordedHistory(
    event('WORKFLOW_EXECUTION_CONTINUED_AS_NEW', { newExecutionRunId: 'run-2' }),
  );
  const derived = deriveEvents(history, { workflowId: 'vmgroup/prod/app', runId: 'run-1' });
  const noted = { run: derived.run, time: AT, source: { from: 'Recorder' } } as const;
  const seen: RunEvent = { kind: 'ExecutionSeen', execution: 'run-2', ...noted };
  const recorded: RunEvent = {
    kind: 'ExecutionRecorded',
    status: 'CONTINUED_AS_NEW',
    history: historyMark(history),
    execution: 'run-1',
    ...noted,
  };
  const gap: RunEvent = { kind: 'RunGap', reason: 'gone', execution: 'run-2', ...noted };
  const faultOf = async (...after: RunEvent[]): Promise<string | undefined> => {
    const ends = { installation: 'here', head: EMPTY, runHead: EMPTY };
    const entries = await link([seen, ...derived.events, recorded, ...after], ends, signer);
    const histories = [{ execution: 'run-1', workflowId: 'vmgroup/prod/app', history }];
    const made = await makeBundle([{ run: derived.run, onRecord: true, entries, histories }], AT, signer);
    const same: Replay = async (all) => all.map(() => undefined);
    return (await verifyBundle(made, { verifier, replay: same }))?.why;
  };
  expect(await faultOf()).toBe('the execution run-2, which continues the run, is missing');
  expect(await faultOf(gap)).toBeUndefined();
});

type Tamper = (bundle: Bundle) => void | Promise<void>;
const run = (of: Bundle): Bundle['runs'][number] => of.runs[0] as Bundle['runs'][number];
const entry = (of: Bundle, index: number): Bundle['runs'][number]['entries'][number] =>
  run(of).entries[index] as Bundle['runs'][number]['entries'][number];
const reseal = async (of: Bundle, by = foreign): Promise<void> => {
  const sealed = await makeBundle(of.runs, of.exportedAt, signerOf(by.privateKey));
  Object.assign(of, { digest: sealed.digest, signature: sealed.signature });
};
/** Changes what an event says, and computes all hashes of the chains again. */
const rechain = async (of: Bundle, change: (events: RunEvent[]) => RunEvent[]): Promise<void> => {
  const events = change(run(of).entries.map(({ event }) => event as RunEvent));
  const ends = { installation: 'here', head: EMPTY, runHead: EMPTY };
  run(of).entries = await link(events, ends, signerOf(foreign.privateKey));
  await reseal(of);
};

const TAMPERED: [name: string, tamper: Tamper, place: RegExp, why: RegExp, withKey?: boolean][] = [
  [
    'event changed',
    (of) => Object.assign(entry(of, 19).event, { reason: 'another reason' }),
    /^runs\[0\]\.entries\[19\]$/,
    /not that of its content/,
  ],
  [
    'event changed, its hash and the digest too',
    async (of) => {
      Object.assign(entry(of, 19).event, { reason: 'another reason' });
      entry(of, 19).hash = hashOf(entry(of, 19));
      of.digest = digestOf(of);
    },
    /^runs\[0\]\.entries\[20\]$/,
    /does not follow/,
  ],
  [
    'event removed',
    (of) => void run(of).entries.splice(7, 1),
    /^runs\[0\]\.entries\[7\]$/,
    /removed, added or moved/,
  ],
  [
    'events reordered',
    (of) => void run(of).entries.splice(7, 2, entry(of, 8), entry(of, 7)),
    /^runs\[0\]\.entries\[7\]$/,
    /removed, added or moved/,
  ],
  ['last event removed', (of) => void run(of).entries.pop(), /^digest$/, /not that of this content/],
  [
    'history swapped',
    (of) =>
      Object.assign(run(of).histories[0] as BundledHistory, { history: historyOf('power-on', '').history }),
    /^runs\[0\]\.histories\[0\]$/,
    /not the history that was recorded/,
  ],
  [
    'history removed',
    (of) => void run(of).histories.pop(),
    /^runs\[0\]\.entries\[30\]$/,
    /history of run-1 is missing/,
  ],
  [
    'digest forged, the chain not',
    (of) => {
      of.digest = 'f'.repeat(64);
    },
    /^digest$/,
    /not that of this content/,
  ],
  ['signature by another key', (of) => reseal(of), /^signature$/, /not made by the key/, true],
  [
    'signature removed',
    (of) => {
      delete of.signature;
    },
    /^signature$/,
    /not signed/,
    true,
  ],
  [
    'event changed, with all hashes and signatures made again by another key',
    (of) =>
      rechain(of, (events) => events.map((each, index) => (index === 19 ? { ...each, reason: 'x' } : each))),
    /^runs\[0\]\.entries\[30\]$/,
    /not signed by the key/,
    true,
  ],
  [
    'the same, checked without a key: the history gives it away',
    (of) =>
      rechain(of, (events) => events.map((each, index) => (index === 19 ? { ...each, reason: 'x' } : each))),
    /^runs\[0\]\.entries\[19\]$/,
    /not what the history/,
  ],
  [
    'event left out, with all hashes made again',
    (of) => rechain(of, (events) => events.filter((_each, index) => index !== 19)),
    /^runs\[0\]\.entries\[19\]$/,
    /not what the history/,
  ],
];

test.each(TAMPERED)('VERIFY-1 to VERIFY-3: %s', async (_name, tamper, place, why, withKey = false) => {
  const copy = structuredClone(bundle);
  await tamper(copy);
  const fault = await verifyBundle(readBundle(copy), { ...(withKey && { verifier }), replay });
  expect(fault?.place).toMatch(place);
  expect(fault?.why).toMatch(why);
});

test('VERIFY-4: a history whose steps the workflow does not take is found by its replay', async () => {
  const forged = historyOf('power-on', 'run-1');
  const text = JSON.stringify(forged.history).replace(
    '"activityId":"power-on/db-2"',
    '"activityId":"power-on/db-9"',
  );
  const one = await unrecordedRun(
    [{ ...forged, history: JSON.parse(text) as BundledHistory['history'] }],
    false,
  );
  const fault = await verifyBundle(await makeBundle([one], AT, signer), { verifier, replay });
  expect(fault?.place).toBe('runs[0].histories[0]');
  expect(fault?.why).toMatch(/replay differs/);
});

test.each([
  ['null', null],
  ['another format', { format: 'zip' }],
  ['no runs', { format: 'vmgroup-record/1', exportedAt: AT, digest: '' }],
  [
    'an entry that is none',
    {
      format: 'vmgroup-record/1',
      exportedAt: AT,
      digest: '',
      runs: [{ run: { runId: 'a', workflowId: 'b' }, onRecord: true, entries: [1], histories: [] }],
    },
  ],
])('%s is no bundle', (_name, value) => {
  expect(() => readBundle(value)).toThrow();
});
