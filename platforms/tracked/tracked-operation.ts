/** What every operation that a process carries out on a VM has: its request, its record, and an end. */
import type { PowerRequest } from '../platform';
import type { OperationRecord } from './operation-record';

/** An operation that is carried out here. */
export class TrackedOperation {
  readonly request: PowerRequest;
  readonly record: OperationRecord;
  /** What it waits for. */
  hold?: string;
  readonly #ended = new AbortController();

  constructor(request: PowerRequest, record: OperationRecord) {
    this.request = request;
    this.record = record;
  }

  /** Aborts once a newer operation has taken over. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Takes no further step. */
  end(): void {
    this.#ended.abort(new Error('a newer operation has taken over'));
  }

  /** Name of the VM, as messages have it. */
  name(): string {
    const { namespace, name } = this.request.vm;
    return `${namespace}/${name}`;
  }
}
