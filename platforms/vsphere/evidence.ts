/** Whether something works on VMs whose operation another process carries out, or one that is gone. */
import { timerDelay } from '../../limits';
import type { OtherStanding } from './observe';
import type { Stream } from './stream';

/** Milliseconds in which an operation of another process shows its effect without being looked into. */
const GRACE = 10_000;

interface Case {
  /** Id of the operation. */
  operation: string;
  timer: NodeJS.Timeout;
  /** The grace is over. */
  open: boolean;
  /** Tasks on the VM that are followed: what works, or undefined once it has ended. */
  tasks: Map<string, { stop: () => void; working: string | undefined; known: boolean }>;
}

const UNKNOWN: OtherStanding = { type: 'Unknown' };

/** Looks into operations that take long: follows the tasks on their VMs. */
export class Evidence {
  readonly #stream: () => Stream;
  readonly #changed: (vm: string) => void;
  readonly #cases = new Map<string, Case>();

  constructor(stream: () => Stream, changed: (vm: string) => void) {
    this.#stream = stream;
    this.#changed = changed;
  }

  /** Tells of an operation that has not had its effect. `guest`: milliseconds that the guest has. */
  unfinished(vm: string, operation: string, guest: number, recentTasks: readonly string[]): void {
    const known = this.#cases.get(vm);
    if (known?.operation === operation) {
      if (known.open) this.#follow(vm, known, recentTasks);
      return;
    }
    this.finished(vm);
    const timer = setTimeout(
      () => {
        const due = this.#cases.get(vm);
        if (due) due.open = true;
        this.#changed(vm);
      },
      timerDelay(GRACE + guest),
    );
    timer.unref();
    this.#cases.set(vm, { operation, timer, open: false, tasks: new Map() });
  }

  /** The VM no longer has such an operation. */
  finished(vm: string): void {
    const known = this.#cases.get(vm);
    if (!known) return;
    clearTimeout(known.timer);
    for (const { stop } of known.tasks.values()) stop();
    this.#cases.delete(vm);
  }

  /** What is seen of it. */
  of(vm: string): OtherStanding {
    const known = this.#cases.get(vm);
    if (!known?.open) return UNKNOWN;
    const tasks = [...known.tasks.values()];
    const working = tasks.find((task) => task.working !== undefined)?.working;
    if (working !== undefined) return { type: 'Working', task: working };
    return tasks.every((task) => task.known) ? { type: 'Idle' } : UNKNOWN;
  }

  close(): void {
    for (const vm of [...this.#cases.keys()]) this.finished(vm);
  }

  #follow(vm: string, known: Case, recentTasks: readonly string[]): void {
    for (const id of recentTasks) {
      if (known.tasks.has(id)) continue;
      const task = { stop: (): void => undefined, working: undefined as string | undefined, known: false };
      known.tasks.set(id, task);
      task.stop = this.#stream().follow({ type: 'Task', id }, (facts) => {
        task.known = true;
        const ended = !facts || facts.state === 'success' || facts.state === 'error';
        task.working = ended
          ? undefined
          : `${facts.what}${facts.by === '' ? '' : `, started by ${facts.by},`}`;
        this.#changed(vm);
      });
    }
  }
}
