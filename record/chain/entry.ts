/**
 * Entries: events in two hash chains, that of the installation and that of their run.
 *
 * CHAIN-1: an entry names the hash of the entry before it in the installation, and of the one before it in its run, so that no entry can be
 *     changed, removed, inserted or moved without breaking one of them.
 * CHAIN-2: the hash is SHA-256 of the entry's canonical JSON (RFC 8785), without hash and signature: other tools can check it.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../api';
import type { RecordEvent, RunRef } from '../events';

/** Hash before the first entry of a chain. */
export const NO_HASH = '0'.repeat(64);

/** Where an entry stands in a chain. */
export interface Link {
  /** From 1, without a gap. */
  number: number;
  /** Hash of the entry before it; {@link NO_HASH} for the first one. */
  previous: string;
}

/** An event in its chains. */
export interface RecordEntry {
  /** Id of the installation: that of its record. */
  installation: string;
  /** In the installation. */
  chain: Link;
  /** In the run; absent: the event is about no run. */
  runChain?: Link;
  event: RecordEvent;
  /** SHA-256, hexadecimal. */
  hash: string;
  /** JWS (RFC 7515) over the hash, where a key is configured. Of the last entry of each execution, and of each gap. */
  signature?: string;
}

/** The end of a chain. */
export interface Head {
  number: number;
  hash: string;
}

/** The head of a chain without entries. */
export const EMPTY: Head = { number: 0, hash: NO_HASH };

/** The hash of an entry (CHAIN-2). */
export function hashOf({ hash: _hash, signature: _signature, ...rest }: RecordEntry): string {
  return sha256(canonicalJson(rest));
}

/** SHA-256 of a text in UTF-8, hexadecimal. */
export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What an entry says of a history: its length, and the hash of its canonical JSON. */
export function historyMark(history: unknown): { events: number; sha256: string } {
  const { events } = history as { events?: unknown };
  return { events: Array.isArray(events) ? events.length : 0, sha256: sha256(canonicalJson(history)) };
}

/** The next entry of an installation and of a run. */
export function nextEntry(
  installation: string,
  event: RecordEvent,
  head: Head,
  runHead: Head | undefined,
): RecordEntry {
  const entry = {
    installation,
    chain: after(head),
    ...(runHead && { runChain: after(runHead) }),
    event,
    hash: '',
  };
  return { ...entry, hash: hashOf(entry) };
}

function after({ number, hash }: Head): Link {
  return { number: number + 1, previous: hash };
}

/** A value as an entry; undefined: it is none. Whether it is as it was written, its hash says. */
export function asEntry(value: unknown): RecordEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { installation, hash, chain, runChain, event, signature } = value as Partial<RecordEntry>;
  const isEntry =
    typeof installation === 'string' &&
    typeof hash === 'string' &&
    isLink(chain) &&
    (runChain === undefined || isLink(runChain)) &&
    (signature === undefined || typeof signature === 'string') &&
    typeof event?.kind === 'string' &&
    typeof event.time === 'string' &&
    ('run' in event ? isRun(event.run) && typeof event.execution === 'string' : runChain === undefined);
  return isEntry ? (value as RecordEntry) : undefined;
}

function isLink(value: Partial<Link> | undefined): boolean {
  return Number.isSafeInteger(value?.number) && typeof value?.previous === 'string';
}

function isRun(run: Partial<RunRef> | undefined): boolean {
  const { namespace, group, workflowId, runId, root } = run ?? {};
  return [namespace, group, workflowId, runId, root].every((text) => typeof text === 'string');
}
