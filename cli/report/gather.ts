/** Gathers the runs that a report is about: from a bundle, from the record, and from Temporal what the record lacks. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RunTimeline } from '../../board';
import type { Bundle, RunEvent } from '../../record';
import type { RunName } from '../export/run-name';
import { connectTemporal, findTarget } from '../connections';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { namedRecord, type RecordOptions, type TemporalOptions } from '../options';
import { printNote } from '../output';
import { openReader } from '../record';
import { recordedRuns } from './recorded-runs';
import { temporalRuns, type EventsByRun } from './temporal-runs';

/** Runs, and where each of them was read. */
export interface GatheredRuns {
  timelines: RunTimeline[];
  sourceOf: (runId: string) => string;
}

/** The runs of a bundle. Throws CliError if the file is none. */
export function gatherBundle(file: string): GatheredRuns {
  try {
    return gatheredOf(
      lazy.record().readBundle(JSON.parse(readFileSync(file, 'utf8'))),
      `the bundle ${path.basename(file)}`,
    );
  } catch (error: unknown) {
    throw new CliError(
      `${file} is not a bundle: ${messageOf(error)}`,
      ['create one: vmgroup export GROUP --record WHERE -o FILE'],
      { cause: error },
    );
  }
}

/** The runs of a bundle; `from`: what the report says of where they were read. */
export function gatheredOf({ runs }: Bundle, from: string): GatheredRuns {
  const events = new Map(
    runs.map(({ run, entries }) => [run.runId, entries.map(({ event }) => event as RunEvent)] as const),
  );
  return gathered([[from, events]]);
}

/**
 * The runs of a group and of the groups below it.
 *
 * @throws CliError if no source can be read. With a record, Temporal may be away: a note on standard error says so.
 */
export async function gatherRuns(
  name: RunName,
  options: TemporalOptions & RecordOptions,
): Promise<GatheredRuns> {
  if (namedRecord(options) === undefined) return gathered([['Temporal', await fromTemporal(name, options)]]);
  const recorded = await fromRecord(name, options);
  return gathered([
    ['the record', recorded],
    ['Temporal', await fromTemporal(name, options).catch(withoutTemporal)],
  ]);
}

/** The record alone may make an earlier run pass for the last one. */
function withoutTemporal(error: unknown): EventsByRun {
  printNote(
    `note: runs that are not on record are missing, since Temporal cannot be read: ${messageOf(error)}`,
  );
  return new Map();
}

async function fromTemporal(name: RunName, options: TemporalOptions): Promise<EventsByRun> {
  const temporal = await connectTemporal(findTarget(options));
  try {
    return await temporalRuns(temporal.client, name);
  } finally {
    await temporal.close();
  }
}

async function fromRecord(name: RunName, options: RecordOptions): Promise<EventsByRun> {
  const reader = await openReader(options);
  try {
    return await recordedRuns(reader, name);
  } finally {
    await reader.close();
  }
}

/** Of a run in several sources the first one that knows its end counts. What that one lacks of a run is read from the next. */
export function gathered(sources: readonly (readonly [name: string, runs: EventsByRun])[]): GatheredRuns {
  const { timelineOf } = lazy.board();
  const runs = new Map<string, { timeline: RunTimeline; from: string }>();
  for (const [from, events] of sources)
    for (const [runId, own] of events) {
      const before = runs.get(runId);
      if (before?.timeline.endedAt !== undefined) continue;
      const recorded = before?.timeline.events.filter(({ source }) => source.from === 'History') ?? [];
      runs.set(runId, {
        timeline: timelineOf([...(before?.timeline.events ?? []), ...lackedBy(recorded, own)]),
        from: before && recorded.length > 0 ? `${before.from} and ${from}` : from,
      });
    }
  return {
    timelines: [...runs.values()].map(({ timeline }) => timeline),
    sourceOf: (runId) => runs.get(runId)?.from ?? '',
  };
}

/** The events of executions that the record lacks: Temporal may have deleted those that are on record. */
function lackedBy(recorded: readonly RunEvent[], events: readonly RunEvent[]): RunEvent[] {
  const known = new Set(recorded.map(({ execution }) => execution));
  return events.filter(({ execution }) => !known.has(execution));
}
