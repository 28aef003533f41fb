/**
 * One power operation of this process on one VM, from its record to its effect.
 *
 * VSPHERE-8: the record is on the VM before its power is touched, and nothing is touched any more once a newer operation has taken over.
 * VSPHERE-9: an operation that waits (for another task, for VMware Tools, for the guest) waits for the stream, within a limit.
 */
import type { PowerState } from '../../api';
import { PlatformError, type FailureClass, type PowerRequest } from '../platform';
import type { TaskFacts, VmFacts } from './facts';
import { classifyFault, platformError } from './faults';
import type { OwnStanding } from './observe';
import { effectOf, type Ground } from './ground';
import { askGuest, drsAnswer, startMove, startTask, startWithDrs, type PowerTask } from './power-calls';
import type { OperationRecord } from '../tracked';
import {
  child,
  isNotAuthenticated,
  localizedFault,
  managedObject,
  VimFault,
  type Fault,
  type ManagedObject,
} from './soap';

/** Milliseconds in which the effect of a task of an earlier operation shows, if it has one. */
const SETTLING = 1_000;
/** Milliseconds in which the stream shows a record that was written. */
const SHOWN = 5_000;
/** Milliseconds that an operation waits for other tasks on the VM. */
const OTHERS = 60_000;
/** Milliseconds in which the effect of a task that has succeeded shows. */
const EFFECT = 30_000;
/** Milliseconds after power-on in which VMware Tools may still come up. */
const TOOLS_START = 120_000;
/** Calls for one operation: each but the first follows another task, or a state that changed in between. */
const MAX_CALLS = 6;

/** An operation that is carried out here. */
export class Operation implements OwnStanding {
  readonly vm: ManagedObject;
  readonly record: OperationRecord;
  /** The text of the record before. */
  readonly before: string | undefined;
  /** The server has written the record. */
  recorded = false;
  /** How often it was written again. */
  rewritten = 0;
  /** {@link start} was called. */
  started = false;
  seen = false;
  active = false;
  reached = false;
  failure?: { class: FailureClass; message: string };
  hold?: string;
  readonly #ground: Ground;
  readonly #request: PowerRequest;
  readonly #ended = new AbortController();
  #accept: () => void = () => undefined;
  #calls = 0;
  #softly: boolean;

  constructor(
    ground: Ground,
    {
      vm,
      request,
      record,
      before,
    }: { vm: string; request: PowerRequest; record: OperationRecord; before: string | undefined },
  ) {
    this.#ground = ground;
    this.before = before;
    this.vm = { type: 'VirtualMachine', id: vm };
    this.#request = request;
    this.record = record;
    this.#softly = request.powerState !== 'PoweredOn' && request.mode !== 'Hard';
  }

  /**
   * Carries it out. Resolves once the server has accepted it, or there is something to wait for first; the rest goes on by itself.
   *
   * @param fresh the VM as it was just read.
   * @param previous the operation that this one takes over from, which may still be on its way.
   * @throws PlatformError where the server refuses
   */
  async start(fresh: VmFacts, previous: OperationRecord | undefined): Promise<void> {
    this.started = true;
    this.active = true;
    const accepted = new Promise<void>((resolve) => (this.#accept = resolve));
    const done = this.#carryOut(fresh, previous).finally(() => {
      this.active = false;
      this.#ground.changed(this.vm.id);
    });
    await Promise.race([accepted, done]);
    // What fails later shows on the watch.
    done.catch(() => undefined);
  }

  /** Takes no further step. */
  end(): void {
    this.#ended.abort(new Error('a newer operation has taken over'));
  }

  async #carryOut(fresh: VmFacts, previous: OperationRecord | undefined): Promise<void> {
    try {
      // An older operation that was written over the record in the same instant is undone first.
      if (this.#ground.verify() && fresh.power !== this.record.to) await this.#within(SHOWN, () => true);
      let facts: VmFacts | undefined = await this.#settled(fresh, previous);
      while (facts && facts.power !== this.record.to && this.#calls < MAX_CALLS) {
        this.#calls += 1;
        const next = await this.#step(facts);
        if (next === 'Done') return;
        facts = next;
      }
      if (!facts) throw new PlatformError('Permanent', `VM ${this.#name()} is gone from vSphere`);
      if (facts.power === this.record.to) this.reached = true;
      else throw new PlatformError('Transient', `VM ${this.#name()} did not become ${this.record.to}`);
    } catch (error: unknown) {
      if (this.#ended.signal.aborted) return;
      const failed = platformError(error, `VM ${this.#name()}`);
      // Of a call without an answer it is not known whether it takes effect: the stream will tell.
      if (error instanceof PlatformError || error instanceof VimFault)
        this.failure = { class: failed.failureClass, message: failed.message };
      throw failed;
    }
  }

  /** Waits until an earlier operation of ours can no longer change the VM. */
  async #settled(fresh: VmFacts, previous: OperationRecord | undefined): Promise<VmFacts | undefined> {
    if (!previous || previous.to === fresh.power || fresh.power !== this.record.to) return fresh;
    const { to, guest, at } = previous;
    for (const id of fresh.recentTasks) await this.#outlast({ type: 'Task', id }, to);
    // A guest that was asked to shut down cannot be asked to stay.
    const left = Math.min(guest, at + guest - Date.now());
    if (left > 0) {
      this.#wait(`an earlier operation asked the guest to become ${to}`);
      await this.#within(left, (seen) => seen.power === to);
    }
    this.#wait(undefined);
    return this.#ground.facts(this.vm.id);
  }

  /** Waits for a task to end that may still bring the VM to a state. */
  async #outlast(task: ManagedObject, to: PowerState): Promise<void> {
    const stream = this.#ground.stream();
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(OTHERS)]);
    let stop: () => void = () => undefined;
    const seen = await new Promise<TaskFacts | undefined>((resolve, reject) => {
      limit.addEventListener('abort', () => reject(limit.reason as Error), { once: true });
      stop = stream.follow(task, resolve);
    });
    if (seen && effectOf(seen.what) === to && (seen.state === 'running' || seen.state === 'queued')) {
      this.#wait(`another task works on it: ${seen.what}`);
      const end = await stream.ended(task, limit);
      if (end?.state !== 'error') await this.#within(SETTLING, ({ power }) => power === to);
    }
    stop();
  }

  /** One call, and what comes of it: the VM as it is then, or nothing more to do. */
  async #step(facts: VmFacts): Promise<VmFacts | undefined | 'Done'> {
    try {
      if (this.record.to === 'PoweredOn') return await this.#powerOn(facts);
      return await this.#powerDown(facts);
    } catch (error: unknown) {
      if (!(error instanceof VimFault)) throw error;
      return this.#refused(error);
    }
  }

  async #powerOn(facts: VmFacts): Promise<VmFacts | undefined | 'Done'> {
    const { client } = this.#ground;
    const drs = this.#ground.drs(facts.id);
    if (!drs) return this.#powerOnHost(facts);
    const before = new Set(facts.recentTasks);
    this.#signal.throwIfAborted();
    const outer = await startWithDrs(client, this.vm, drs, this.#signal);
    const end = await this.#ground.stream().succeeded(outer, this.#signal);
    const answer = drsAnswer(end?.result);
    if (answer.type === 'Refused') throw new VimFault(answer.fault, 'PowerOnMultiVM_Task');
    if (answer.type === 'Recommended') {
      this.#wait(`DRS recommends, and waits for somebody to apply it: ${answer.texts.join('; ')}`);
      return this.#effect(undefined);
    }
    this.#accept();
    return answer.task ? this.#follow(answer.task) : this.#followOnVm(before);
  }

  /** VSPHERE-11: a VM is registered on the host that was chosen for it before it is powered on there. */
  async #powerOnHost(facts: VmFacts): Promise<VmFacts | undefined> {
    const host = this.#ground.home(facts);
    if (!host || host.id === facts.host) return this.#task('PowerOnVM_Task', host);
    const task = await this.#call(() => startMove(this.#ground.client, this.vm, host, this.#signal));
    await this.#ground.stream().succeeded(task, this.#signal);
    await this.#within(EFFECT, (seen) => seen.host === host.id);
    return this.#ground.facts(this.vm.id);
  }

  async #powerDown(facts: VmFacts): Promise<VmFacts | undefined | 'Done'> {
    const { to } = this.record;
    if (to === 'Suspended' && facts.power !== 'PoweredOn') {
      throw new PlatformError(
        'Transient',
        `VM ${this.#name()} is ${facts.power ?? 'unknown'}, so it cannot be suspended`,
      );
    }
    if (this.#softly && facts.power === 'PoweredOn') return this.#askGuest(facts);
    if (facts.power === 'Suspended' && this.#request.mode === 'Soft') {
      throw new PlatformError(
        'Permanent',
        `VM ${this.#name()} is suspended, so its guest cannot be asked to shut down: power it on first, or use the mode TrySoft or Hard, which discards its memory`,
      );
    }
    const method = to === 'Suspended' ? 'SuspendVM_Task' : 'PowerOffVM_Task';
    return this.#task(method);
  }

  // ---- The guest ------------------------------------------------------------------------------------------------------------------

  async #askGuest(facts: VmFacts): Promise<VmFacts | undefined> {
    const { guestShutdownTimeout, mode } = this.#request;
    const deadline = Date.now() + guestShutdownTimeout;
    const method = this.record.to === 'Suspended' ? 'StandbyGuest' : 'ShutdownGuest';
    try {
      await this.#call(() => askGuest(this.#ground.client, this.vm, method, this.#signal));
    } catch (error: unknown) {
      if (!(error instanceof VimFault) || error.fault.type !== 'ToolsUnavailable') throw error;
      return this.#toolsUnavailable(facts, deadline);
    }
    const after = await this.#within(guestShutdownTimeout, (seen) => seen.power === this.record.to);
    if (after || !this.#ground.facts(this.vm.id)) return after;
    if (mode !== 'Soft') return this.#force();
    this.#wait(
      `the guest was asked and is still on after ${guestShutdownTimeout} ms; the mode Soft does not force it`,
    );
    return this.#effect(undefined);
  }

  /** Tools may be missing, or not be up yet. */
  async #toolsUnavailable(facts: VmFacts, deadline: number): Promise<VmFacts | undefined> {
    const soft = this.#request.mode === 'Soft';
    const starting = facts.bootTime === undefined ? 0 : facts.bootTime + TOOLS_START - Date.now();
    const patience = soft ? EFFECT_OF_PERSON : Math.min(deadline - Date.now(), starting, TOOLS_START);
    if (soft || patience > 0) {
      this.#wait('VMware Tools do not run, so the guest cannot be asked');
      const after = await this.#within(patience, (seen) => seen.tools || seen.power !== 'PoweredOn');
      if (after) return after;
    }
    return this.#force();
  }

  async #force(): Promise<VmFacts | undefined> {
    this.#softly = false;
    this.#wait(undefined);
    return this.#ground.facts(this.vm.id);
  }

  // ---- Tasks ----------------------------------------------------------------------------------------------------------------------

  /** Starts a task, and waits for its effect. */
  async #task(method: PowerTask, host?: ManagedObject): Promise<VmFacts | undefined> {
    const options = { signal: this.#signal, host };
    return this.#follow(await this.#call(() => startTask(this.#ground.client, this.vm, method, options)));
  }

  /** The VM once a task of ours has ended. */
  async #follow(task: ManagedObject): Promise<VmFacts | undefined> {
    await this.#ground.stream().succeeded(task, this.#signal);
    return this.#effect(EFFECT);
  }

  /** The same for a task that DRS starts on the VM. */
  async #followOnVm(before: ReadonlySet<string>): Promise<VmFacts | undefined> {
    for (const known = new Set(before); ;) {
      const isNew = (facts: VmFacts): string | undefined => facts.recentTasks.find((id) => !known.has(id));
      const { to } = this.record;
      const facts = await this.#within(EFFECT, (seen) => seen.power === to || isNew(seen) !== undefined);
      const started = facts && isNew(facts);
      if (!facts || facts.power === to || started === undefined) return facts ?? this.#effect(EFFECT);
      known.add(started);
      const end = await this.#ground.stream().ended({ type: 'Task', id: started }, this.#signal);
      if (end?.error && /poweron/i.test(end.what)) throw new VimFault(localizedFault(end.error), end.what);
    }
  }

  /** The VM once it is in the wanted state; after so many milliseconds, as it is. */
  async #effect(limit: number | undefined): Promise<VmFacts | undefined> {
    const { to } = this.record;
    const facts = await this.#within(limit ?? EFFECT_OF_PERSON, (seen) => seen.power === to);
    return facts ?? this.#ground.facts(this.vm.id);
  }

  /** What to do about a fault. */
  async #refused(error: VimFault): Promise<VmFacts | undefined> {
    const { fault } = error;
    if (fault.type === 'TaskInProgress' && this.#calls < MAX_CALLS) return this.#otherTask(fault, error);
    if (fault.type === 'InvalidPowerState') {
      // It is there already, or was brought elsewhere in between: the stream is about to say so.
      const existing = child(fault.detail, 'existingState')?.text;
      if (existing?.toLowerCase() === this.record.to.toLowerCase()) return this.#effect(EFFECT);
    }
    if (isNotAuthenticated(error)) throw new PlatformError('Transient', classifyFault(fault).message);
    throw error;
  }

  /** Another task works on the VM: an earlier one of ours, the same one of another process, a snapshot, a backup. */
  async #otherTask(fault: Fault, error: VimFault): Promise<VmFacts | undefined> {
    const task = managedObject(child(fault.detail, 'task'));
    if (!task) throw error;
    const stream = this.#ground.stream();
    this.#accept();
    let shown: string | undefined;
    const stop = stream.follow(task, (facts) => {
      shown = facts && `${facts.what}${facts.by === '' ? '' : `, started by ${facts.by},`}`;
      if (facts) this.#wait(`another task works on it: ${shown}`);
    });
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(OTHERS)]);
    try {
      const end = await stream.ended(task, limit);
      this.#wait(undefined);
      // Its effect comes with the same answer of the stream, or with the next.
      const effect = end?.state === 'success' ? effectOf(end.what) : undefined;
      if (effect !== undefined) await this.#within(EFFECT, ({ power }) => power === effect);
      return this.#ground.facts(this.vm.id);
    } catch (reason: unknown) {
      if (this.#ended.signal.aborted) throw reason;
      const what = shown ?? task.id;
      throw new PlatformError(
        'Transient',
        `VM ${this.#name()}: ${classifyFault(fault).message}; ${what} works on it for more than ${OTHERS / 1_000} s`,
      );
    } finally {
      stop();
    }
  }

  // ---- Small things ---------------------------------------------------------------------------------------------------------------

  get #signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Makes a call, and takes the operation for accepted once it is answered. */
  async #call<T>(call: () => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const answer = await call();
    this.#accept();
    return answer;
  }

  #wait(hold: string | undefined): void {
    if (hold === undefined) delete this.hold;
    else this.hold = hold;
    this.#accept();
    this.#ground.changed(this.vm.id);
  }

  /** What satisfies `met`; undefined after so many milliseconds, or once the VM is gone. */
  async #within(milliseconds: number, met: (facts: VmFacts) => boolean): Promise<VmFacts | undefined> {
    const limit = AbortSignal.timeout(Math.max(0, Math.round(milliseconds)));
    // What the stream says before it has shown the record is older than this operation.
    const now = (facts: VmFacts): boolean => this.seen && met(facts);
    try {
      return await this.#ground.until(this.vm.id, now, AbortSignal.any([this.#signal, limit]));
    } catch (error: unknown) {
      this.#signal.throwIfAborted();
      if (limit.aborted) return undefined;
      throw error;
    }
  }

  #name(): string {
    const { namespace, name } = this.#request.vm;
    return `${namespace}/${name}`;
  }
}

/** Milliseconds for which an operation waits for people: a day. */
const EFFECT_OF_PERSON = 86_400_000;
