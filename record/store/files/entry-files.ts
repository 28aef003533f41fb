/**
 * The files of the entries: `entries-00000001.jsonl` and so on. A line is a JSON list of the entries that were appended together.
 *
 * FILES-1: a line that was cut off by a crash is the end of the last file, and is removed before the next one is written. Damage anywhere else
 *     is an error: nothing is appended after it.
 * FILES-2: nothing is appended to files that are not as this process has left them, such as older copies, before they are read again.
 */
import { createReadStream } from 'node:fs';
import { open, readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { canonicalJson } from '../../../api';
import { asEntry, EMPTY, type RecordEntry } from '../../chain';
import { RecordError } from '../store';

/** Bytes after which another file is begun. */
const FILE_BYTES = 64 * 2 ** 20;
/** Characters of one line: the longest string that JavaScript can hold is twice as long. */
const LINE_LENGTH = 2 ** 28;
const LINE_FEED = 0x0a;

/** Paths of the files, in order. */
async function entryFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => /^entries-\d{8}\.jsonl$/.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/**
 * Reads the entries in order, and checks that each follows the one before. A line without an end is one that is being written, and is left out.
 *
 * @throws RecordError if the files are damaged.
 */
export async function* readEntries(folder: string): AsyncGenerator<RecordEntry> {
  let { number, hash } = EMPTY;
  for (const file of await entryFiles(folder)) {
    const end = await wholeLines(file);
    if (end === 0) continue;
    let line = 0;
    for await (const text of linesOf(file, end)) {
      line += 1;
      for (const entry of parseLine(text)) {
        if (entry?.chain.number !== number + 1 || entry.chain.previous !== hash)
          throw new RecordError(
            `${file}:${line} is damaged: it does not follow entry ${number}. Restore the file from a backup, or move the folder away to begin another record`,
          );
        ({ number } = entry.chain);
        ({ hash } = entry);
        yield entry;
      }
    }
  }
}

/** The lines of the first bytes of a file. A line feed alone ends one: texts hold U+2028 too, where Node.js's `readline` ends one since version 24. */
async function* linesOf(file: string, bytes: number): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  // `end` of a stream is inclusive.
  for await (const chunk of createReadStream(file, { end: bytes - 1 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, at)]).toString();
      begun = [];
      from = at + 1;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
}

function parseLine(text: string): (RecordEntry | undefined)[] {
  try {
    const entries = JSON.parse(text) as unknown;
    return Array.isArray(entries) ? entries.map(asEntry) : [undefined];
  } catch {
    return [undefined];
  }
}

/** Removes a line that a crash has cut off (FILES-1). */
export async function repair(folder: string): Promise<void> {
  const last = (await entryFiles(folder)).at(-1);
  if (last === undefined) return;
  const end = await wholeLines(last);
  const { size } = await stat(last);
  if (end < size) await truncate(last, end);
}

/** Appends entries in one write, and returns once they are on disk. */
export async function appendEntries(folder: string, entries: readonly RecordEntry[]): Promise<void> {
  const text = `${canonicalJson(entries)}\n`;
  if (text.length > LINE_LENGTH)
    throw new RecordError(`the events of one execution take more than ${LINE_LENGTH / 2 ** 20} MiB`);
  const files = await entryFiles(folder);
  const last = files.at(-1);
  const isFull = last === undefined || (await stat(last)).size >= FILE_BYTES;
  const name = `entries-${String(files.length + 1).padStart(8, '0')}.jsonl`;
  const target = isFull ? path.join(folder, name) : last;
  const before = isFull ? 0 : (await stat(last)).size;
  const file = await open(target, 'a', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error: unknown) {
    // Half of it would be on record, and the rest again later.
    await file.truncate(before).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  if (isFull) await syncFolder(folder);
}

/** Name and size of the last file; empty: there is none. */
export async function endOfEntries(folder: string): Promise<string> {
  const last = (await entryFiles(folder)).at(-1);
  return last === undefined ? '' : `${last} ${(await stat(last)).size}`;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Bytes up to the end of the last whole line. */
async function wholeLines(file: string): Promise<number> {
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.alloc(64 * 1024);
    let { size: end } = await handle.stat();
    while (end > 0) {
      const length = Math.min(buffer.length, end);
      const { bytesRead } = await handle.read(buffer, 0, length, end - length);
      const at = buffer.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
      if (at !== -1) return end - length + at + 1;
      end -= length;
    }
    return 0;
  } finally {
    await handle.close();
  }
}
