/**
 * What is known of one group's status: what is to be written, what was written, and when it may be written next. No I/O; the guarantees are
 * those of {@link kubernetesStatusStore}. Times are milliseconds of the clock of running time.
 */
import { doublingPause, KubernetesError } from '../../../kubernetes';
import type { GroupView } from '../../status';
import { LEAST_STATUS_BYTES, STATUS_BYTES } from './fit-status';
import { statusDigest } from './status-digest';
import { storedStatus } from './stored-status';
import type { UndeclaredFields } from './undeclared-fields';

/** A status as it is to be written. */
export interface WantedStatus {
  view: GroupView;
  status: Record<string, unknown>;
  digest: string;
}

/** A write that failed and is retried after a pause. */
export interface FailedWrite {
  retryIn: number;
  /** Whether to log it: not for a group that is gone, nor for a refusal that was logged before. */
  isNews: boolean;
}

/** Milliseconds between two writes of one group. */
const WRITE_INTERVAL = 1_000;
/** Milliseconds before the first retry, and the longest pause between two. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** What is invalid now is most likely invalid the next time. */
const LONGEST_PAUSE_INVALID = 300_000;
/** Milliseconds before a status is written again because the server has another one: the watch may lag behind. */
const FIRST_REPAIR = 2_000;
const LONGEST_REPAIR = 60_000;
/** What remains of the bytes of a status that is too large. */
const SMALLER = 0.6;

/** The status of one group. */
export class StatusSlot {
  readonly #undeclared: UndeclaredFields;
  #view: GroupView;
  /** What was written last: the view, and digests of the status that was sent and of the one that the server then had. */
  #written: { view: GroupView; wanted: string; stored: string } | undefined;
  #lastWrite = -Infinity;
  /** Repetitions of a write in a row, because the server had something else. */
  #repairs = 0;
  #failures = 0;
  /** No write before this time, after a failure. */
  #notBefore = 0;
  /** The server found this status invalid. */
  #invalid: { wanted: string; message: string } | undefined;
  /** STORE-7: for one generation of the group. */
  #budget: { generation: number; bytes: number };

  /** `undeclared`: those of all groups (STORE-5). */
  constructor(view: GroupView, undeclared: UndeclaredFields) {
    this.#view = view;
    this.#undeclared = undeclared;
    this.#budget = { generation: view.metadata.generation, bytes: STATUS_BYTES };
  }

  get view(): GroupView {
    return this.#view;
  }

  set view(view: GroupView) {
    this.#view = view;
    if (this.#invalid && this.#invalid.wanted !== this.wanted().digest) this.#forgetFailures();
  }

  /** Digest of what the server had after the last write. */
  get stored(): string | undefined {
    return this.#written?.stored;
  }

  wanted(): WantedStatus {
    const view = this.#view;
    const fields = Object.entries(storedStatus(view, this.#bytes())).filter(
      ([field]) => !this.#undeclared.has(field),
    );
    const status = Object.fromEntries(fields);
    return { view, status, digest: statusDigest({ metadata: view.metadata, status }) };
  }

  /** The earliest time of the next write. */
  dueAt(): number {
    return Math.max(this.#lastWrite + WRITE_INTERVAL, this.#notBefore);
  }

  /** Whether nothing has changed since the last write, on either side. */
  isUpToDate(observed: string | undefined): boolean {
    return this.#written?.view === this.#view && this.#written.stored === observed;
  }

  /** STORE-6: when the status may be written, given the digest of what is observed; undefined if the server has it. */
  writeAt({ digest }: WantedStatus, observed: string | undefined, now: number): number | undefined {
    const isWritten = this.#written?.wanted === digest;
    const stored = this.#written?.stored;
    const pause = doublingPause(this.#repairs + 1, FIRST_REPAIR, LONGEST_REPAIR);
    if (observed === digest || (isWritten && (observed ?? stored) === stored)) {
      if (now - this.#lastWrite > 2 * pause) this.#repairs = 0;
      return undefined;
    }
    return isWritten ? this.#lastWrite + pause : 0;
  }

  /** A write begins. */
  begins({ digest }: WantedStatus, now: number): void {
    this.#repairs = this.#written?.wanted === digest ? this.#repairs + 1 : 0;
    this.#lastWrite = now;
  }

  /** A write succeeded; `stored` is the digest of what the server has now. */
  written({ view, digest }: WantedStatus, stored: string): void {
    this.#written = { view, wanted: digest, stored };
    this.#forgetFailures();
  }

  /** What was written is no longer known: another process may have written, or the answer to a write was lost. */
  forgetWritten(): void {
    this.#written = undefined;
  }

  /** A write failed. Undefined: there is another status to write now. */
  failed(sent: WantedStatus, error: unknown, now: number): FailedWrite | undefined {
    this.forgetWritten();
    if (this.#undeclared.learn(error, sent.status) || (isTooLarge(error) && this.#shrink())) return undefined;
    const message = refusalOf(error);
    if (message !== undefined && this.wanted().digest !== sent.digest) {
      // Another status came during the write.
      this.#forgetFailures();
      return undefined;
    }
    this.#failures += 1;
    const retryIn = pauseAfter(this.#failures, message !== undefined);
    this.#notBefore = now + retryIn;
    const wasReported = message !== undefined && this.#invalid?.message === message;
    this.#invalid = message === undefined ? undefined : { wanted: sent.digest, message };
    // STORE-4: the group is gone, or is another one by now. The source will report that.
    const isGone =
      error instanceof KubernetesError && (error.isNotFound || error.isConflict || error.isOtherObject);
    return { retryIn, isNews: !isGone && !wasReported };
  }

  #bytes(): number {
    return this.#budget.generation === this.#view.metadata.generation ? this.#budget.bytes : STATUS_BYTES;
  }

  /** STORE-7; false if it is as small as it can be. */
  #shrink(): boolean {
    const before = this.#bytes();
    if (before <= LEAST_STATUS_BYTES) return false;
    const bytes = Math.max(LEAST_STATUS_BYTES, Math.floor(before * SMALLER));
    this.#budget = { generation: this.#view.metadata.generation, bytes };
    return true;
  }

  /** STORE-3. */
  #forgetFailures(): void {
    this.#invalid = undefined;
    this.#failures = 0;
    this.#notBefore = 0;
  }
}

/** STORE-3: milliseconds before the next try, after so many failures in a row. */
export function pauseAfter(failures: number, isInvalid: boolean): number {
  return doublingPause(failures, FIRST_PAUSE, isInvalid ? LONGEST_PAUSE_INVALID : LONGEST_PAUSE);
}

/** The server's words, if it refused the status itself. */
function refusalOf(error: unknown): string | undefined {
  const isRefusal =
    isTooLarge(error) || (error instanceof KubernetesError && error.code === 422 && !error.isOtherObject);
  return isRefusal ? error.message : undefined;
}

/** STORE-7: the API server's own limit (413), or that of etcd, which it passes on as a bare 500: only the message tells. */
function isTooLarge(error: unknown): error is KubernetesError {
  if (!(error instanceof KubernetesError)) return false;
  return error.code === 413 || /request is too large|message larger than max/.test(error.message);
}
