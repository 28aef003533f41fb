/** What counts for each VM: the operations of this process, compared with the records on VMs, and those of other processes. */
import { compareRecords, outranks, readRecord, type OperationRecord } from '../tracked';
import { Evidence } from './evidence';
import type { VmFacts } from './facts';
import type { OtherStanding, OwnStanding } from './observe';
import type { Operation } from './operation';
import type { Recorder } from './recorder';
import type { Stream } from './stream';

/** What standings work with. */
export interface StandingsOptions {
  recorder: Recorder;
  stream: () => Stream;
  /** Nothing is looked into: the process only watches. */
  watchOnly: boolean;
  /** The record on a VM was overwritten by an older operation. */
  onOverwritten: (operation: Operation, facts: VmFacts) => void;
  /** More is known of an operation of another process. */
  changed: (vm: string) => void;
}

/** Keeps the operations of this process, and what is known of others. VMs are named by their ids on the server. */
export class Standings {
  /** The last operation of this process on each VM. */
  readonly operations = new Map<string, Operation>();
  readonly #options: StandingsOptions;
  readonly #evidence: Evidence;
  readonly #newest = new Map<string, OperationRecord>();

  constructor(options: StandingsOptions) {
    this.#options = options;
    this.#evidence = new Evidence(options.stream, options.changed);
  }

  /** The newest record that the server has shown: an older operation may have been written over it. */
  recordOf(facts: VmFacts): OperationRecord | undefined {
    const shown = readRecord(this.#options.recorder.textOf(facts), facts.uuid);
    const known = this.#newest.get(facts.id);
    if (!shown || (known && outranks(known, shown))) return known;
    this.#newest.set(facts.id, shown);
    return shown;
  }

  /** VSPHERE-5: whether our operation is recorded on a VM that was just read; an older record in its place is overwritten. */
  recordStands(facts: VmFacts): boolean {
    const own = this.operations.get(facts.id);
    if (!own) return true;
    const standing = this.#standing(own, facts);
    if (standing !== 'Own') this.#replaced(own, facts, standing);
    return standing === 'Own';
  }

  /** The state of this process's operation on a VM; undefined: there is none. */
  ofOwn(vm: string): OwnStanding | undefined {
    const own = this.operations.get(vm);
    return own && standingOf(own);
  }

  /** The same for a VM that was read after the record was written. */
  afterRead(vm: string): OwnStanding | undefined {
    const own = this.operations.get(vm);
    return own && { ...standingOf(own), seen: own.seen || own.reached };
  }

  /** What is seen of an operation of another process. */
  ofOther(vm: string): OtherStanding {
    return this.#evidence.of(vm);
  }

  /** Takes a VM as the stream shows it. */
  noticed(facts: VmFacts): void {
    const own = this.operations.get(facts.id);
    if (own) this.#compare(own, facts);
    this.#lookInto(facts, own);
  }

  /** The VM is gone. */
  gone(vm: string): void {
    this.operations.get(vm)?.end();
    this.operations.delete(vm);
    this.#evidence.finished(vm);
    this.#newest.delete(vm);
  }

  close(): void {
    for (const operation of this.operations.values()) operation.end();
    this.#evidence.close();
  }

  /** What the stream says of an operation of ours. */
  #compare(own: Operation, facts: VmFacts): void {
    const standing = this.#standing(own, facts);
    if (standing === 'Own') own.seen = true;
    // Until the record has been shown, the one before is what the stream has not caught up with.
    else if (own.seen || (own.recorded && this.#options.recorder.textOf(facts) !== own.before))
      this.#replaced(own, facts, standing);
    if (own.seen && !own.active && facts.power === own.record.to) own.reached = true;
  }

  #standing(own: Operation, facts: VmFacts): ReturnType<typeof compareRecords> {
    return compareRecords(readRecord(this.#options.recorder.textOf(facts), facts.uuid), own.record);
  }

  #replaced(own: Operation, facts: VmFacts, by: 'Newer' | 'Older'): void {
    if (by === 'Newer') own.end();
    else this.#options.onOverwritten(own, facts);
  }

  #lookInto(facts: VmFacts, own: Operation | undefined): void {
    if (this.#options.watchOnly) return;
    const record = this.recordOf(facts);
    const finished = !record || record.to === facts.power || facts.power === undefined;
    const inHand =
      own && !(record && outranks(record, own.record)) && (own.active || own.failure || own.reached);
    if (finished || inHand) this.#evidence.finished(facts.id);
    else this.#evidence.unfinished(facts.id, record.id, record.guest, facts.recentTasks);
  }
}

function standingOf({ record, seen, active, reached, failure, hold }: Operation): OwnStanding {
  return { record, seen, active, reached, ...(failure && { failure }), ...(hold !== undefined && { hold }) };
}
