/**
 * One power operation of this process on one VM, from its record to its effect.
 *
 * LIBVIRT-12: the record is on the VM, and was read back, before its power is touched; nothing more is touched once a newer operation has
 *     taken over.
 * LIBVIRT-14: a VM is started on one host only: every other host that has it, or may have it, must say first that it does not run there.
 */
import { PlatformError, type FailureClass } from '../../platform';
import { superseded } from '../../superseded';
import { compareRecords, readRecord } from '../../tracked';
import { isUnanswered, platformError } from '../faults';
import { homeOf, type Machine, type OnHost } from '../machines';
import { LibvirtError } from '../rpc';
import type { OwnStanding } from '../observe';
import { GuestRequest } from './guest-request';
import { ReachingOperation } from './reaching-operation';

/** Milliseconds in which a refusal is an answer to the request; later ones show on the watch. */
const ACCEPT = 250;
/** Calls for one operation: each but the first follows a state that changed in between, or a lost connection. */
const MAX_CALLS = 8;
/** Times that a record is written. */
const MAX_WRITES = 5;

/** An operation that is carried out here. */
export class Operation extends ReachingOperation implements OwnStanding {
  recorded = false;
  seen = false;
  active = false;
  reached = false;
  failure?: { class: FailureClass; message: string };

  /**
   * Carries it out. Resolves once it is on record and libvirt works on it; the rest continues in the background.
   *
   * @throws PlatformError if libvirt refuses, or if the connection is lost: then the operation continues once the host is back.
   */
  async start(fresh: Machine): Promise<void> {
    this.active = true;
    const done = this.#carryOut(fresh).finally(() => {
      this.active = false;
      this.ground.changed(this.vm);
    });
    // What fails later shows on the watch.
    done.catch(() => undefined);
    await Promise.race([this.accepted, done]);
  }

  /** Compares with what libvirt says now. */
  noticed({ on, power }: Machine): void {
    if (on.some((each) => this.#standing(each) === 'Own')) this.seen = true;
    if (this.seen && !this.active && power === this.record.to) this.reached = true;
  }

  async #carryOut(fresh: Machine): Promise<void> {
    try {
      let machine: Machine | undefined = await this.#writeRecord(fresh);
      const timer = setTimeout(() => this.accept(), ACCEPT);
      this.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      try {
        for (let call = 0; machine && machine.power !== this.record.to && call < MAX_CALLS; call += 1) {
          machine = await this.#afterStep(machine);
        }
      } finally {
        clearTimeout(timer);
      }
      if (!machine) throw new PlatformError('Permanent', `VM ${this.name()} is gone from libvirt`);
      if (machine.power !== this.record.to) throw this.#notReached(machine);
      this.reached = true;
      this.accept();
    } catch (error: unknown) {
      if (this.signal.aborted) return;
      const failed = platformError(error, `VM ${this.name()}`);
      if (!isUnanswered(error)) this.failure = { class: failed.failureClass, message: failed.message };
      throw failed;
    }
  }

  #notReached({ trouble }: Machine): PlatformError {
    const why = trouble ?? (this.last instanceof Error ? this.last.message : undefined);
    const text = `VM ${this.name()} did not become ${this.record.to}${why === undefined ? '' : `: ${why}`}`;
    return new PlatformError('Transient', text);
  }

  /** LIBVIRT-12. The VM as it is with the record. */
  async #writeRecord(fresh: Machine): Promise<Machine | undefined> {
    let machine: Machine | undefined = fresh;
    for (let write = 1; machine; write += 1) {
      await this.answered(() =>
        this.ground.record(machine as Machine, this.text, this.record.to, this.signal),
      );
      machine = await this.fresh();
      if (!machine) return undefined;
      const newest = this.ground.recordOf(machine);
      if (newest && compareRecords(newest, this.record) === 'Newer') {
        this.end();
        throw superseded(this.request, newest);
      }
      // That of another process which was asked for the same operation is as good.
      if (machine.on.every((each) => this.#standing(each) === 'Own')) {
        this.recorded = true;
        this.seen = true;
        return machine;
      }
      if (write === MAX_WRITES)
        throw new PlatformError(
          'Transient',
          `VM ${this.name()}: another process keeps overwriting its record`,
        );
    }
    return undefined;
  }

  #standing({ facts }: OnHost): ReturnType<typeof compareRecords> {
    return compareRecords(readRecord(facts.operation, this.vm), this.record);
  }

  /** The VM after one step. A call that libvirt refuses may have come after that of another process for the same operation. */
  async #afterStep(machine: Machine): Promise<Machine | undefined> {
    try {
      await this.#step(machine);
    } catch (error: unknown) {
      if (!(error instanceof LibvirtError)) throw error;
      const now = await this.fresh();
      if (now?.power === this.record.to) return now;
      throw error;
    }
    return this.fresh();
  }

  #step(machine: Machine): Promise<void> {
    if (this.record.to === 'PoweredOn') return this.#powerOn(machine);
    const at = machine.at;
    // It is between two states.
    if (!at) return this.settle();
    return this.record.to === 'Suspended' ? this.#suspend(at) : this.#powerOff(machine, at);
  }

  async #powerOn(machine: Machine): Promise<void> {
    const home = homeOf(machine);
    if (!home) {
      const hosts = machine.on.map(({ host }) => host).join(', ');
      throw new PlatformError(
        'Transient',
        `VM ${this.name()} has no place yet on any of its hosts: ${hosts}`,
      );
    }
    if (home.facts.running) {
      if (home.facts.crashed) throw this.#crashed(home);
      if (home.facts.paused === undefined) return this.settle();
      await this.call(home, (daemon) => daemon.resume(home.facts.domain));
      return;
    }
    this.ground.refuseDouble(machine, home.host);
    await this.call(home, (daemon) => daemon.start(home.facts.domain));
  }

  /** It was told to keep a guest that crashed (`on_crash` `preserve`), so that somebody can find out why. */
  #crashed({ host, facts }: OnHost): PlatformError {
    return new PlatformError(
      'Permanent',
      `VM ${this.name()} cannot go on, as its guest crashed and ${host} keeps it as it is: once you have what you need of it (virsh dump --memory-only), power it off with the mode TrySoft or Hard, or with virsh destroy ${facts.domain.uuid}, and retry`,
    );
  }

  #cannotAsk(why: string, cure: string): PlatformError {
    return new PlatformError(
      'Permanent',
      `VM ${this.name()} ${why}, so its guest cannot be asked to shut down: ${cure} the mode TrySoft or Hard, which discards its memory`,
    );
  }

  async #powerOff(machine: Machine, at: OnHost): Promise<void> {
    const { domain, running, paused, crashed } = at.facts;
    const { mode = 'TrySoft' } = this.request;
    if (!running) {
      if (mode === 'Soft') throw this.#cannotAsk('is suspended', 'power it on first, or use');
      await this.call(at, (daemon) => daemon.dropSaved(domain));
      // libvirt sends no event for this: writing the record again causes one.
      await this.call(at, () => this.ground.record(machine, this.text, 'PoweredOff', this.signal));
      return;
    }
    if (crashed && mode === 'Soft') throw this.#cannotAsk('crashed', 'use');
    if (mode !== 'Hard' && !crashed) {
      if (paused !== undefined) await this.call(at, (daemon) => daemon.resume(domain));
      if (await this.#askGuest(mode === 'Soft')) return;
    }
    await this.call(at, (daemon) => daemon.destroy(domain));
  }

  async #suspend(at: OnHost): Promise<void> {
    if (!at.facts.running) return this.settle();
    await this.call(at, (daemon) => daemon.save(at.facts.domain));
  }

  /** Whether there is nothing left to do. */
  async #askGuest(never: boolean): Promise<boolean> {
    const { guestShutdownTimeout } = this.request;
    const request = new GuestRequest(this.ground, this.vm, this.signal);
    this.accept();
    if (await request.within(guestShutdownTimeout)) return true;
    if (!never) return false;
    this.wait(
      `the guest was asked and is still on after ${guestShutdownTimeout} ms; the mode Soft does not force it`,
    );
    await this.ground.until(this.vm, ({ power }) => power === this.record.to, this.signal);
    return true;
  }
}
