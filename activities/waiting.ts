/** Waits for a VM on the shared watch, with a limit that survives the worker. */
import { AsyncResource } from 'node:async_hooks';
import { timerDelay } from '../limits';
import type { Observer, Platform, VirtualMachineState } from '../platforms';
import type { VirtualMachineRef } from '../contract';

/** Milliseconds that an attempt which takes over late still waits: the change may be on its way. */
const GRACE = 2_000;
/** Milliseconds between two notes of how long was waited. */
const NOTE_INTERVAL = 1_000;

/** How long to wait, and how much of that is over. Milliseconds. */
export interface Patience {
  limit: number;
  /** Waited by earlier attempts. */
  spent: number;
  /** Ends the wait early. */
  signal: AbortSignal;
  /** Puts what is spent on record. */
  note: (spent: number) => void;
}

const TOO_LATE = Symbol('too late');

/**
 * Waits until `arrived` accepts a state of the VM; undefined: too late. Asks the platform itself before it gives up, as the watch may be
 * broken.
 */
export async function waitFor(
  platform: Platform,
  observer: Observer,
  vm: VirtualMachineRef,
  { limit, spent, signal, note }: Patience,
  arrived: (state: VirtualMachineState) => boolean,
): Promise<VirtualMachineState | undefined> {
  const began = performance.now();
  const waiting = new AbortController();
  const cancelTimer = after(Math.max(limit - spent, Math.min(limit, GRACE)), () => waiting.abort(TOO_LATE));
  const noting = setInterval(() => note(spent + Math.round(performance.now() - began)), NOTE_INTERVAL);
  const onCancel = (): void => waiting.abort(signal.reason);
  signal.addEventListener('abort', onCancel, { once: true });
  if (signal.aborted) onCancel();
  try {
    // Called where the watch is read, but as a part of this activity: traces go by that.
    return await observer.until(vm, AsyncResource.bind(arrived), waiting.signal);
  } catch (error: unknown) {
    if (waiting.signal.reason !== TOO_LATE) throw error;
  } finally {
    cancelTimer();
    clearInterval(noting);
    signal.removeEventListener('abort', onCancel);
  }
  const state = await platform.read(vm, signal).catch(() => undefined);
  return state && arrived(state) ? state : undefined;
}

/** Calls `done` after any number of milliseconds; returns what cancels it. */
function after(milliseconds: number, done: () => void): () => void {
  let left = milliseconds;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const part = timerDelay(left);
    left -= part;
    timer = setTimeout(() => (left > 0 ? arm() : done()), part);
  };
  arm();
  return () => clearTimeout(timer);
}
