/**
 * One power operation of this process on one VM, from its record to its effect.
 *
 * VSPHERE-5: see recorder.ts. The record of an older operation that was written over it in the same instant is found, even where the stream
 *     shows no change: it may be the same text as before.
 * VSPHERE-6: the record is on the VM before its power is touched, and nothing more is touched once a newer operation has taken over.
 * VSPHERE-9: a VM is registered on the host that was chosen for it before it is powered on there.
 */
import { PlatformError, type FailureClass, type PowerRequest } from '../../platform';
import type { OperationRecord } from '../../tracked';
import type { VmFacts } from '../facts';
import { classifyFault, platformError } from '../faults';
import type { Ground } from '../ground';
import type { OwnStanding } from '../observe';
import { drsAnswer, startMove, startWithDrs } from '../power-calls';
import { child, isNotAuthenticated, VimFault } from '../soap';
import { requestOfGuest } from './guest-request';
import { followTask, followTaskOfDrs, outlast, outlastNamed, runTask } from './tasks';
import { EFFECT, PEOPLE, WaitingOperation } from './waiting-operation';

/** Milliseconds in which the stream shows a record that was written, before the VM itself is read. */
const SHOWN = 2_000;
/** How often the record is looked for on the VM: it is written again each time that an older one stands there. */
const MAX_LOOKS = 5;
/** Calls for one operation: each but the first follows another task, or a state that changed in between. */
const MAX_CALLS = 6;

/** An operation that is carried out here. */
export class Operation extends WaitingOperation implements OwnStanding {
  /** The text of the record before. */
  readonly before: string | undefined;
  /** The server has written the record. */
  recorded = false;
  /** How often it was written again. */
  rewritten = 0;
  /** {@link start} was called. */
  started = false;
  active = false;
  reached = false;
  failure?: { class: FailureClass; message: string };
  #calls = 0;
  #softly: boolean;

  /** @param vm the server's id of the VM. */
  constructor(
    ground: Ground,
    {
      vm,
      request,
      record,
      before,
    }: { vm: string; request: PowerRequest; record: OperationRecord; before: string | undefined },
  ) {
    super(ground, vm, request, record);
    this.before = before;
    this.#softly = request.powerState !== 'PoweredOn' && request.mode !== 'Hard';
  }

  /**
   * Carries it out. Resolves once the server has accepted it, or there is something to wait for first; the rest continues in the background.
   *
   * @param fresh the VM as it was just read.
   * @param previous the operation that this one takes over from, which may still be on its way.
   * @throws PlatformError where the server refuses
   */
  async start(fresh: VmFacts, previous: OperationRecord | undefined): Promise<void> {
    this.started = true;
    this.active = true;
    const done = this.#carryOut(fresh, previous).finally(() => {
      this.active = false;
      this.ground.changed(this.vm.id);
    });
    // If there was nothing to do, no step has waited for the record.
    const late = (): Promise<void> | undefined => (this.#isUnconfirmed() ? this.#recordStands() : undefined);
    await Promise.race([this.accepted, done]);
    // What fails later shows on the watch.
    done.then(late).catch(() => undefined);
  }

  async #carryOut(fresh: VmFacts, previous: OperationRecord | undefined): Promise<void> {
    try {
      if (this.#isUnconfirmed() && fresh.power !== this.record.to) await this.#recordStands();
      let facts: VmFacts | undefined = await this.#settled(fresh, previous);
      while (facts && facts.power !== this.record.to && this.#calls < MAX_CALLS) {
        this.#calls += 1;
        facts = facts.power === undefined ? await this.#known() : await this.#step(facts);
      }
      if (!facts) throw new PlatformError('Permanent', `VM ${this.name()} is gone from vSphere`);
      if (facts.power === this.record.to) this.reached = true;
      else throw new PlatformError('Transient', `VM ${this.name()} did not become ${this.record.to}`);
    } catch (error: unknown) {
      if (this.signal.aborted) return;
      const failed = platformError(error, `VM ${this.name()}`);
      // Of a call without an answer it is not known whether it takes effect: the stream will tell.
      if (error instanceof PlatformError || error instanceof VimFault)
        this.failure = { class: failed.failureClass, message: failed.message };
      throw failed;
    }
  }

  #isUnconfirmed(): boolean {
    return this.ground.verify() && !this.seen;
  }

  /** Resolves once the operation is recorded on the VM. @throws PlatformError; the reason of the signal */
  async #recordStands(): Promise<void> {
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      await this.within(SHOWN, () => true);
      if (this.seen || (await this.ground.recordStands(this.vm.id, this.signal))) return;
    }
    const message = `another process writes over the record of operation ${this.record.id} on VM ${this.name()}`;
    throw new PlatformError('Transient', message);
  }

  /** Waits until an earlier operation of ours can no longer change the VM. */
  async #settled(fresh: VmFacts, previous: OperationRecord | undefined): Promise<VmFacts | undefined> {
    if (!previous || previous.to === fresh.power || fresh.power !== this.record.to) return fresh;
    const { to, guest, at } = previous;
    for (const id of fresh.recentTasks) await outlast(this, { type: 'Task', id }, to);
    // A guest that was asked to shut down cannot be asked to stay.
    const left = Math.min(guest, at + guest - Date.now());
    if (left > 0) {
      this.wait(`an earlier operation asked the guest to become ${to}`);
      await this.within(left, (seen) => seen.power === to);
    }
    this.wait(undefined);
    return this.facts();
  }

  /** PLATFORM-3: the VM once its power state is known again: its host was lost, and it may have changed meanwhile. */
  #known(): Promise<VmFacts | undefined> {
    this.accept();
    return this.within(PEOPLE, ({ power }) => power !== undefined).then((facts) => facts ?? this.facts());
  }

  /** One call, and what comes of it: the VM as it is then; undefined once it is gone. */
  async #step(facts: VmFacts): Promise<VmFacts | undefined> {
    try {
      if (this.record.to === 'PoweredOn') return await this.#powerOn(facts);
      return await this.#powerDown(facts);
    } catch (error: unknown) {
      if (!(error instanceof VimFault)) throw error;
      return this.#refused(error);
    }
  }

  async #powerOn(facts: VmFacts): Promise<VmFacts | undefined> {
    const drs = this.ground.drs(facts.id);
    if (!drs) return this.#powerOnHost(facts);
    const before = new Set(facts.recentTasks);
    this.signal.throwIfAborted();
    const outer = await startWithDrs(this.ground.client, this.vm, drs, this.signal);
    const end = await this.ground.stream().succeeded(outer, this.signal);
    const answer = drsAnswer(end?.result);
    if (answer.type === 'Refused') throw new VimFault(answer.fault, 'PowerOnMultiVM_Task');
    if (answer.type === 'Recommended') {
      this.wait(`DRS waits for an operator to apply its recommendation: ${answer.texts.join('; ')}`);
      return this.effect(PEOPLE);
    }
    this.accept();
    return answer.task ? followTask(this, answer.task) : followTaskOfDrs(this, before);
  }

  /** VSPHERE-9. */
  async #powerOnHost(facts: VmFacts): Promise<VmFacts | undefined> {
    const host = this.ground.home(facts);
    if (!host || host.id === facts.host) return runTask(this, 'PowerOnVM_Task', host);
    const task = await this.call(() => startMove(this.ground.client, this.vm, host, this.signal));
    await this.ground.stream().succeeded(task, this.signal);
    await this.within(EFFECT, (seen) => seen.host === host.id);
    return this.facts();
  }

  async #powerDown(facts: VmFacts): Promise<VmFacts | undefined> {
    const { to } = this.record;
    if (to === 'Suspended' && facts.power !== 'PoweredOn') {
      throw new PlatformError(
        'Transient',
        `VM ${this.name()} is ${facts.power ?? 'unknown'}, so it cannot be suspended`,
      );
    }
    if (this.#softly && facts.power === 'PoweredOn') return this.#askGuest(facts);
    if (facts.power === 'Suspended' && this.request.mode === 'Soft') {
      throw new PlatformError(
        'Permanent',
        `VM ${this.name()} is suspended, so its guest cannot be asked to shut down: power it on first, or use the mode TrySoft or Hard, which discards its memory`,
      );
    }
    const method = to === 'Suspended' ? 'SuspendVM_Task' : 'PowerOffVM_Task';
    return runTask(this, method);
  }

  /** What to do about a fault. */
  async #refused(error: VimFault): Promise<VmFacts | undefined> {
    const { fault } = error;
    if (fault.type === 'TaskInProgress' && this.#calls < MAX_CALLS) return outlastNamed(this, error);
    if (fault.type === 'InvalidPowerState') {
      // It is there already, or was brought elsewhere in between: the stream is about to say so.
      const existing = child(fault.detail, 'existingState')?.text;
      if (existing?.toLowerCase() === this.record.to.toLowerCase()) return this.effect(EFFECT);
    }
    if (isNotAuthenticated(error)) throw new PlatformError('Transient', classifyFault(fault).message);
    throw error;
  }

  async #askGuest(facts: VmFacts): Promise<VmFacts | undefined> {
    const after = await requestOfGuest(this, facts);
    if (after !== 'Force') return after;
    this.#softly = false;
    this.wait(undefined);
    return this.facts();
  }
}
