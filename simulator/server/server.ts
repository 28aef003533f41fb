/** Starts the simulated platform as a process that others call. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import type { SimulatedInventory } from '../../api';
import { HTTP_LIMITS, startHttpServer } from '../../http';
import type { Solve } from '../../placement';
import { Machine } from '../machine';
import { lockJournal } from './lock';
import { serve } from './routes';

/** What {@link startSimulator} starts with. */
export interface SimulatorOptions {
  /** Folder of the journal; created if absent. One simulator a folder. */
  dataDir: string;
  /** Absent: the one in the journal, or the default one. */
  inventory?: SimulatedInventory;
  /** Port on 127.0.0.1; absent: any free one. */
  port?: number;
  /** Finds places; absent: the solver, in a thread. */
  solve?: Solve;
  /** Called once when the journal can no longer be written, or belongs to another process: every change is refused afterwards. */
  onBroken?: (error: Error) => void;
}

/** A running simulator. */
export interface Simulator {
  /** `http://127.0.0.1:PORT`. */
  address: string;
  /** Path of the journal file. */
  journal: string;
  /** The platform itself, for a controller in the same process. */
  machine: Machine;
  /** Replaces hosts, datastores and behaviour; VMs keep their places. */
  setInventory(inventory: SimulatedInventory): Promise<void>;
  /** Ends every call and watch, finishes writing and releases the folder. */
  close(): Promise<void>;
}

/**
 * Starts the simulated platform.
 *
 * @throws SimulatorInUseError when another process works on `dataDir`.
 * @throws Error when the port is taken or the journal is damaged.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const instance = randomUUID();
  let opened: (machine: Machine) => void = () => undefined;
  const machine = new Promise<Machine>((resolve) => (opened = resolve));
  const closing = new AbortController();
  // Every watcher listens to it; Node warns from the eleventh on.
  setMaxListeners(0, closing.signal);
  const server = await startHttpServer({
    port: options.port ?? 0,
    limits: HTTP_LIMITS.simulator,
    handle: (exchange) => serve({ instance, machine, closing: closing.signal }, exchange),
  });
  const address = `http://${server.address}`;
  try {
    const { machine: running, journal, release } = await openMachine(options, address);
    opened(running);
    const close = async (): Promise<void> => {
      closing.abort();
      await running.close();
      await server.close();
      await release();
    };
    let closed: Promise<void> | undefined;
    return {
      address,
      journal,
      machine: running,
      setInventory: (inventory) => running.setInventory(inventory),
      close: () => (closed ??= close()),
    };
  } catch (error: unknown) {
    await server.close();
    throw error;
  }
}

/** Opens the platform under the lock of its folder. The lock names the address of its holder, so the server listens before. */
async function openMachine(
  { dataDir, inventory, solve, ...options }: SimulatorOptions,
  address: string,
): Promise<{ machine: Machine; journal: string; release: () => Promise<void> }> {
  const onBroken = once(options.onBroken);
  const lost = new AbortController();
  const lock = await lockJournal(dataDir, address, () =>
    lost.abort(new Error(`another process took over ${dataDir} while this one was paused`)),
  );
  try {
    const journal = join(dataDir, 'journal.jsonl');
    const machine = await Machine.open(journal, inventory, onBroken, solve);
    // JOURNALLOCK-3.
    const fail = (): void => machine.fail(lost.signal.reason as Error);
    lost.signal.addEventListener('abort', fail, { once: true });
    if (lost.signal.aborted) fail();
    return { machine, journal, release: () => lock.release() };
  } catch (error: unknown) {
    await lock.release();
    throw error;
  }
}

function once(onBroken: SimulatorOptions['onBroken']): (error: Error) => void {
  let called = false;
  return (error) => {
    if (!called) onBroken?.(error);
    called = true;
  };
}
