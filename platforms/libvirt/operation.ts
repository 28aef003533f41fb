/**
 * One power operation of this process on one VM, from its record to its effect.
 *
 * LIBVIRT-12: the record is on the VM, and was read back, before its power is touched; nothing is touched any more once a newer operation has
 *     taken over.
 * LIBVIRT-13: each step begins with the state as libvirt has it now: a call whose answer was lost, or that met a daemon that was killed, is
 *     repeated only if it took no effect.
 * LIBVIRT-14: a VM is started on one host only: every other host that has it, or may have it, must say first that it does not run there.
 */
import { PlatformError, type FailureClass, type PowerRequest } from '../platform';
import { writeRecord, type OperationRecord } from '../tracked';
import { CODES, type Daemon } from './daemon';
import { isUnanswered, platformError } from './faults';
import type { Ground } from './ground';
import { GuestRequest } from './guest-request';
import { homeOf, type Machine, type OnHost } from './machines';
import type { OwnStanding } from './observe';
import { LibvirtError } from './rpc';

/** Milliseconds in which a refusal is an answer to the request; later ones show on the watch. */
const ACCEPT = 250;
/** Calls for one operation: each but the first follows a state that changed in between, or a lost connection. */
const MAX_CALLS = 8;
/** Times that a record is written. */
const MAX_WRITES = 5;
/** Milliseconds that a host may be away while an operation is under way. */
const PATIENCE = 300_000;
/** `VIR_FROM_NETWORK`. */
const FROM_NETWORK = 19;

/** An operation that is carried out here. */
export class Operation implements OwnStanding {
  readonly record: OperationRecord;
  recorded = false;
  seen = false;
  active = false;
  reached = false;
  failure?: { class: FailureClass; message: string };
  hold?: string;
  readonly #vm: string;
  readonly #ground: Ground;
  readonly #request: PowerRequest;
  readonly #text: string;
  readonly #ended = new AbortController();
  #accept: () => void = () => undefined;
  #refuse: (error: unknown) => void = () => undefined;
  #last: unknown;

  /** @throws PlatformError `Permanent` where its id is too long to be recorded. */
  constructor(ground: Ground, vm: string, request: PowerRequest, record: OperationRecord) {
    this.#ground = ground;
    this.#vm = vm;
    this.#request = request;
    this.record = record;
    try {
      this.#text = writeRecord(record, vm);
    } catch (error: unknown) {
      throw new PlatformError('Permanent', `operation ${record.id} cannot be recorded: ${String(error)}`);
    }
  }

  /**
   * Carries it out. Resolves once it is on record and libvirt works on it; the rest goes on by itself.
   *
   * @throws PlatformError where libvirt refuses, or the connection is lost: then it goes on once the host is back.
   */
  async start(fresh: Machine): Promise<void> {
    this.active = true;
    const accepted = new Promise<void>((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    const done = this.#carryOut(fresh).finally(() => {
      this.active = false;
      this.#ground.changed(this.#vm);
    });
    // What fails later shows on the watch.
    done.catch(() => undefined);
    await Promise.race([accepted, done]);
  }

  /** Takes no further step. */
  end(): void {
    this.#ended.abort(new Error('a newer operation has taken over'));
  }

  /** Compares with what libvirt says now. */
  noticed({ on, power }: Machine): void {
    if (on.some(({ facts }) => facts.operation === this.#text)) this.seen = true;
    if (this.seen && !this.active && power === this.record.to) this.reached = true;
  }

  async #carryOut(fresh: Machine): Promise<void> {
    try {
      let machine: Machine | undefined = await this.#writeRecord(fresh);
      const timer = setTimeout(this.#accept, ACCEPT);
      this.#ended.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      try {
        for (let call = 0; machine && machine.power !== this.record.to && call < MAX_CALLS; call += 1) {
          await this.#step(machine);
          machine = await this.#fresh();
        }
      } finally {
        clearTimeout(timer);
      }
      if (!machine) throw new PlatformError('Permanent', `VM ${this.#name()} is gone from libvirt`);
      if (machine.power !== this.record.to) throw this.#notReached(machine);
      this.reached = true;
      this.#accept();
    } catch (error: unknown) {
      if (this.#ended.signal.aborted) return;
      const failed = platformError(error, `VM ${this.#name()}`);
      if (!isUnanswered(error)) this.failure = { class: failed.failureClass, message: failed.message };
      throw failed;
    }
  }

  #notReached({ trouble }: Machine): PlatformError {
    const why = trouble ?? (this.#last instanceof Error ? this.#last.message : undefined);
    const text = `VM ${this.#name()} did not become ${this.record.to}${why === undefined ? '' : `: ${why}`}`;
    return new PlatformError('Transient', text);
  }

  // ---- The record -------------------------------------------------------------------------------------------------------------------

  /** LIBVIRT-12. The VM as it is with the record. */
  async #writeRecord(fresh: Machine): Promise<Machine | undefined> {
    let machine: Machine | undefined = fresh;
    for (let write = 1; machine; write += 1) {
      await this.#answered(() =>
        this.#ground.record(machine as Machine, this.#text, this.record.to, this.#signal),
      );
      machine = await this.#fresh();
      if (!machine) return undefined;
      const newest = this.#ground.recordOf(machine);
      if (newest && newest.sequence > this.record.sequence) {
        this.end();
        throw this.#ground.superseded(this.#request, newest);
      }
      if (machine.on.every(({ facts }) => facts.operation === this.#text)) {
        this.recorded = true;
        this.seen = true;
        return machine;
      }
      if (write === MAX_WRITES)
        throw new PlatformError('Transient', `VM ${this.#name()}: its record is overwritten again and again`);
    }
    return undefined;
  }

  // ---- Steps ------------------------------------------------------------------------------------------------------------------------

  #step(machine: Machine): Promise<void> {
    if (this.record.to === 'PoweredOn') return this.#powerOn(machine);
    const at = machine.at;
    // It is between two states.
    if (!at) return this.#settle();
    return this.record.to === 'Suspended' ? this.#suspend(at) : this.#powerOff(machine, at);
  }

  async #powerOn(machine: Machine): Promise<void> {
    const home = homeOf(machine);
    if (!home) {
      const hosts = machine.on.map(({ host }) => host).join(', ');
      throw new PlatformError(
        'Transient',
        `VM ${this.#name()} has no place yet on any of its hosts: ${hosts}`,
      );
    }
    if (home.facts.running) {
      if (home.facts.paused === undefined) return this.#settle();
      await this.#call(home, (daemon) => daemon.resume(home.facts.domain));
      return;
    }
    this.#ground.refuseDouble(machine, home.host);
    await this.#call(home, (daemon) => daemon.start(home.facts.domain));
  }

  async #powerOff(machine: Machine, at: OnHost): Promise<void> {
    const { domain, running, paused } = at.facts;
    const { mode = 'TrySoft' } = this.#request;
    if (!running) {
      if (mode === 'Soft') {
        throw new PlatformError(
          'Permanent',
          `VM ${this.#name()} is suspended, so its guest cannot be asked to shut down: power it on first, or use the mode TrySoft or Hard, which discards its memory`,
        );
      }
      await this.#call(at, (daemon) => daemon.dropSaved(domain));
      // There is no event of it: the record, written once more, is one.
      await this.#call(at, () => this.#ground.record(machine, this.#text, 'PoweredOff', this.#signal));
      return;
    }
    if (mode !== 'Hard') {
      if (paused !== undefined) await this.#call(at, (daemon) => daemon.resume(domain));
      if (await this.#askGuest(mode === 'Soft')) return;
    }
    await this.#call(at, (daemon) => daemon.destroy(domain));
  }

  async #suspend(at: OnHost): Promise<void> {
    if (!at.facts.running) return this.#settle();
    await this.#call(at, (daemon) => daemon.save(at.facts.domain));
  }

  /** Whether there is nothing left to do. */
  async #askGuest(never: boolean): Promise<boolean> {
    const { guestShutdownTimeout } = this.#request;
    const request = new GuestRequest(this.#ground, this.#vm, this.#signal);
    this.#accept();
    if (await request.within(guestShutdownTimeout)) return true;
    if (!never) return false;
    this.#wait(
      `the guest was asked and is still on after ${guestShutdownTimeout} ms; the mode Soft does not force it`,
    );
    await this.#ground.until(this.#vm, ({ power }) => power === this.record.to, this.#signal);
    return true;
  }

  /** Waits for a state that passes. */
  async #settle(): Promise<void> {
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(SETTLING)]);
    const { to } = this.record;
    await this.#ground
      .until(this.#vm, ({ power }) => power === to, limit)
      .catch(() => this.#signal.throwIfAborted());
  }

  // ---- Small things -----------------------------------------------------------------------------------------------------------------

  get #signal(): AbortSignal {
    return this.#ended.signal;
  }

  #wait(hold: string): void {
    this.hold = hold;
    this.#ground.changed(this.#vm);
  }

  /** A call to a host. What it changed, or another process did meanwhile, the next reading says. */
  async #call({ host }: OnHost, call: (daemon: Daemon) => Promise<void>): Promise<void> {
    this.#signal.throwIfAborted();
    await this.#answered(async () => {
      try {
        await call(await this.#ground.daemon(host));
      } catch (error: unknown) {
        if (!(error instanceof LibvirtError)) throw error;
        if (error.code !== CODES.invalidOperation || error.domain === FROM_NETWORK) throw error;
        this.#last = error;
      }
    });
  }

  /** A call whose answer may be lost: whoever asked for the operation is told, and it goes on. */
  async #answered(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error: unknown) {
      if (!isUnanswered(error) || this.#signal.aborted) throw error;
      this.#last = error;
      this.#refuse(platformError(error, `VM ${this.#name()}`));
    }
  }

  /** LIBVIRT-13. Waits for its hosts, within a limit. */
  async #fresh(): Promise<Machine | undefined> {
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(PATIENCE)]);
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await this.#ground.fetch(this.#vm, limit);
      } catch (error: unknown) {
        if (!isUnanswered(error) || limit.aborted) throw error;
        this.#refuse(platformError(error, `VM ${this.#name()}`));
        await this.#ground.reachable(this.#vm, limit);
      }
    }
  }

  #name(): string {
    const { namespace, name } = this.#request.vm;
    return `${namespace}/${name}`;
  }
}

/** Milliseconds in which a VM comes out of a state that passes. */
const SETTLING = 30_000;
