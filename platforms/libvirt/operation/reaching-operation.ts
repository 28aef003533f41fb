/**
 * How an operation reaches the hosts of its VM, for all of its steps.
 *
 * LIBVIRT-13: each step begins with the state as libvirt has it now: a call whose answer was lost, or that met a daemon that was killed, is
 *     repeated only if it took no effect.
 */
import { limited } from '../../../limits';
import { PlatformError, type PowerRequest } from '../../platform';
import { TrackedOperation, writeRecord, type OperationRecord } from '../../tracked';
import { CODES, type Daemon } from '../daemon';
import { isUnanswered, platformError } from '../faults';
import type { Ground } from '../ground';
import type { Machine, OnHost } from '../machines';
import { LibvirtError } from '../rpc';

/** Milliseconds that a host may be away while an operation is under way. */
const PATIENCE = 300_000;
/** Milliseconds in which a VM comes out of a state that passes. */
const SETTLING = 30_000;
/** `VIR_FROM_NETWORK`. */
const FROM_NETWORK = 19;

/** An operation whose hosts may be away. */
export class ReachingOperation extends TrackedOperation {
  /** UUID of the VM. */
  readonly vm: string;
  readonly ground: Ground;
  /** The record as it is written. */
  readonly text: string;
  /** The last call that libvirt did not carry out, or whose answer was lost. */
  protected last: unknown;
  /** Resolves once libvirt works on it; rejects where libvirt refuses, or a connection is lost. */
  protected readonly accepted: Promise<void>;
  #accept: () => void = () => undefined;
  #refuse: (error: unknown) => void = () => undefined;

  /** @throws PlatformError `Permanent` where its id is too long to be recorded. */
  constructor(ground: Ground, vm: string, request: PowerRequest, record: OperationRecord) {
    super(request, record);
    this.ground = ground;
    this.vm = vm;
    try {
      this.text = writeRecord(record, vm);
    } catch (error: unknown) {
      throw new PlatformError('Permanent', `operation ${record.id} cannot be recorded: ${String(error)}`);
    }
    this.accepted = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    this.accepted.catch(() => undefined);
  }

  /** The caller need not wait any longer. */
  accept(): void {
    this.#accept();
  }

  /** Shows what it waits for. */
  wait(hold: string): void {
    this.hold = hold;
    this.ground.changed(this.vm);
  }

  /** A call to a host. What it changed, or another process did meanwhile, the next reading says. @throws LibvirtError */
  async call({ host }: OnHost, call: (daemon: Daemon) => Promise<void>): Promise<void> {
    this.signal.throwIfAborted();
    await this.answered(async () => {
      try {
        await call(await this.ground.daemon(host));
      } catch (error: unknown) {
        if (!(error instanceof LibvirtError)) throw error;
        if (error.code !== CODES.invalidOperation || error.domain === FROM_NETWORK) throw error;
        this.last = error;
      }
    });
  }

  /** A call whose answer may be lost: in that case the caller is notified, and the operation continues. */
  protected async answered(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error: unknown) {
      if (!isUnanswered(error) || this.signal.aborted) throw error;
      this.last = error;
      this.#refuse(platformError(error, `VM ${this.name()}`));
    }
  }

  /** The VM as its hosts say now; undefined: it is gone. Waits for its hosts, within a limit. @throws the last error of a host */
  protected async fresh(): Promise<Machine | undefined> {
    const limit = limited(PATIENCE, this.signal);
    for (;;) {
      this.signal.throwIfAborted();
      try {
        return await this.ground.fetch(this.vm, limit);
      } catch (error: unknown) {
        if (!isUnanswered(error) || limit.aborted) throw error;
        this.#refuse(platformError(error, `VM ${this.name()}`));
        await this.ground.reachable(this.vm, limit);
      }
    }
  }

  /** Waits for a state that passes. */
  protected async settle(): Promise<void> {
    const limit = limited(SETTLING, this.signal);
    const { to } = this.record;
    await this.ground
      .until(this.vm, ({ power }) => power === to, limit)
      .catch(() => this.signal.throwIfAborted());
  }
}
