/** The connection for calls that change something: they may take minutes, in which others would have to wait. */
import { Daemon } from './daemon';
import { ConnectionError, type Transport } from './rpc';

/** Where it leads. */
export interface ConnectionTarget {
  transport: Transport;
  uri: string;
}

/** Opened when it is first needed, and again once it was lost. */
export class ChangeConnection {
  readonly #target: ConnectionTarget;
  readonly #closing: AbortSignal;
  #opening: Promise<Daemon> | undefined;

  constructor(target: ConnectionTarget, closing: AbortSignal) {
    this.#target = target;
    this.#closing = closing;
  }

  /** The connection. @throws ConnectionError, LibvirtError */
  async get(): Promise<Daemon> {
    const { transport, uri } = this.#target;
    this.#opening ??= Daemon.open(transport, uri, () => undefined, this.#closing);
    const opening = this.#opening;
    try {
      const daemon = await opening;
      if (!daemon.closed.aborted) return daemon;
      throw new ConnectionError('the connection was lost');
    } catch (error: unknown) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /** Closes it, if it is open. */
  async drop(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    await opening?.then(
      (daemon) => daemon.close(),
      () => undefined,
    );
  }
}
