/**
 * Asks a guest to shut down: a request returns at once and may be lost while the guest boots, so it is repeated until the VM is off or the guest's
 * time is over.
 *
 * LIBVIRT-15: by ACPI first, then by the agent too while it is connected; no request is waited for longer than {@link PATIENCE}.
 */
import { limited } from '../../../limits';
import { ASK } from '../daemon';
import type { Ground } from '../ground';

/** Milliseconds between two requests. */
const REPEAT = 5_000;
/** Milliseconds that a request may take: an agent that hangs keeps libvirt for a minute. */
const PATIENCE = 10_000;

/** Requests to one guest. */
export class GuestRequest {
  readonly #ground: Ground;
  readonly #vm: string;
  readonly #signal: AbortSignal;

  constructor(ground: Ground, vm: string, signal: AbortSignal) {
    this.#ground = ground;
    this.#vm = vm;
    this.#signal = signal;
  }

  /** Whether the VM went off within so many milliseconds, or is gone. @throws the reason of the signal */
  async within(milliseconds: number): Promise<boolean> {
    const end = Date.now() + milliseconds;
    for (let turn = 0; ; turn += 1) {
      const left = end - Date.now();
      if (left <= 0) return false;
      await this.#ask(turn, Math.min(left, PATIENCE));
      if (await this.#off(Math.min(Math.max(0, end - Date.now()), REPEAT))) return true;
    }
  }

  async #ask(turn: number, patience: number): Promise<void> {
    const limit = limited(patience, this.#signal);
    try {
      const machine = await this.#ground.fetch(this.#vm, limit);
      const at = machine?.at;
      if (!at) return;
      const byAgent = turn % 2 === 1 && at.facts.agent === 'Connected';
      const daemon = await this.#ground.daemon(at.host);
      await daemon.shutdown(at.facts.domain, byAgent ? ASK.agent : ASK.acpi, limit);
    } catch {
      // It is off already, the agent is away or hangs, the host is away: the next turn asks again.
      this.#signal.throwIfAborted();
    }
  }

  async #off(milliseconds: number): Promise<boolean> {
    const limit = limited(milliseconds, this.#signal);
    try {
      const off = ({ power }: { power: unknown }): boolean => power === 'PoweredOff';
      await this.#ground.until(this.#vm, off, limit);
      return true;
    } catch (error: unknown) {
      this.#signal.throwIfAborted();
      if (limit.aborted) return false;
      throw error;
    }
  }
}
