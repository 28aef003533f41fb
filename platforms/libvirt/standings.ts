/** What counts for each VM besides its facts: the last operation of this process, and the newest one on record. */
import { timerDelay } from '../../limits';
import { outranks, readRecord, type OperationRecord } from '../tracked';
import type { Machine } from './machines';
import type { OwnStanding } from './observe';
import type { Operation } from './operation';

/** Milliseconds in which an operation of another process brings about its effect. */
const GRACE = 15_000;

/** Keeps them by the UUID of the VM. */
export class Standings {
  /** The last operation of this process on each VM. */
  readonly operations = new Map<string, Operation>();
  readonly #changed: (vm: string) => void;
  readonly #newest = new Map<string, OperationRecord>();
  readonly #overdue = new Map<string, { operation: string; timer: NodeJS.Timeout; due: boolean }>();

  /** @param changed Called when the time of another process is over. */
  constructor(changed: (vm: string) => void) {
    this.#changed = changed;
  }

  /** The newest record that any host has shown. */
  recordOf({ uuid, on }: Machine): OperationRecord | undefined {
    let newest = this.#newest.get(uuid);
    for (const { facts } of on) {
      const shown = readRecord(facts.operation, uuid);
      if (shown && !(newest && outranks(newest, shown))) newest = shown;
    }
    if (newest) this.#newest.set(uuid, newest);
    return newest;
  }

  /** The state of this process's operation on a VM; undefined: there is none. */
  ofOwn(vm: string): OwnStanding | undefined {
    const own = this.operations.get(vm);
    return own && standingOf(own);
  }

  /** Whether another process has had its time to bring its operation about. */
  isOverdue(vm: string): boolean {
    return this.#overdue.get(vm)?.due === true;
  }

  /** Notes a change of a VM. */
  noticed(machine: Machine): void {
    this.operations.get(machine.uuid)?.noticed(machine);
    const record = this.recordOf(machine);
    if (!record || record.to === machine.power || this.#isInHand(record, machine)) this.#settle(machine.uuid);
    else this.#await(record, machine);
  }

  /** Forgets a VM that is gone. */
  gone(vm: string): void {
    this.operations.get(vm)?.end();
    this.operations.delete(vm);
    this.#newest.delete(vm);
    this.#settle(vm);
  }

  close(): void {
    for (const operation of this.operations.values()) operation.end();
    for (const vm of this.#overdue.keys()) this.#settle(vm);
  }

  /** This process carries it out, or knows how it ended. */
  #isInHand(record: OperationRecord, { uuid }: Machine): boolean {
    const own = this.operations.get(uuid);
    return record.id === own?.record.id && (own.active || own.failure !== undefined || own.reached);
  }

  /** Gives another process its time. */
  #await({ id, guest }: OperationRecord, { uuid }: Machine): void {
    if (this.#overdue.get(uuid)?.operation === id) return;
    this.#settle(uuid);
    const timer = setTimeout(
      () => {
        entry.due = true;
        this.#changed(uuid);
      },
      timerDelay(GRACE + guest),
    );
    timer.unref();
    const entry = { operation: id, timer, due: false };
    this.#overdue.set(uuid, entry);
  }

  #settle(vm: string): void {
    clearTimeout(this.#overdue.get(vm)?.timer);
    this.#overdue.delete(vm);
  }
}

function standingOf({ record, seen, active, reached, failure, hold }: Operation): OwnStanding {
  return { record, seen, active, reached, ...(failure && { failure }), ...(hold !== undefined && { hold }) };
}
