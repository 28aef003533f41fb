/**
 * Asks guests whether their services are up.
 *
 * PROBER-1: a worker makes at most {@link AT_ONCE} tries at a time, and each ends after its time-out, whatever the guest does.
 */
import type { HttpGetProbe, Probe, TcpSocketProbe } from '../../api';
import { authority, reasonOf, type ProbeAnswer } from './answers';
import { probeHttp } from './http';
import { Lookups } from './lookups';
import { Slots } from './slots';
import { probeTcp } from './tcp';

/** Tries at the same time: each holds a socket. */
const AT_ONCE = 200;

const LATE = new Error('the time of the try is over');

/** Makes the tries of one worker. */
export class Prober {
  readonly #slots: Slots;
  readonly #lookups = new Lookups();

  /** @param atOnce Most tries at the same time. */
  constructor(atOnce: number = AT_ONCE) {
    this.#slots = new Slots(atOnce);
  }

  /**
   * Asks once. Its time-out begins when its turn has come.
   *
   * @param address The guest's own address, for a probe without a host.
   * @throws the reason of `signal` once it aborts; the guest's failures are answers.
   */
  try(probe: Probe, address: string, signal: AbortSignal): Promise<ProbeAnswer> {
    return this.#slots.run(() => this.#within(probe, address, signal), signal);
  }

  async #within(probe: Probe, address: string, signal: AbortSignal): Promise<ProbeAnswer> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(LATE), probe.timeout);
    const either = AbortSignal.any([signal, late.signal]);
    try {
      return await Promise.race([this.#ask(probe, address, either), aborted(either)]);
    } catch (error: unknown) {
      signal.throwIfAborted();
      const reason = late.signal.aborted ? `no answer within ${probe.timeout / 1_000} s` : reasonOf(error);
      return { ok: false, text: `${targetOf(probe, address)}: ${reason}` };
    } finally {
      clearTimeout(timer);
      late.abort(LATE);
    }
  }

  async #ask(probe: Probe, address: string, signal: AbortSignal): Promise<ProbeAnswer> {
    const target = targetOf(probe, address);
    const { tcpSocket, httpGet } = probe;
    if (httpGet) {
      const status = await probeHttp(httpGet.host ?? address, httpGet, this.#lookups.lookup, signal);
      const expected = expectation(httpGet, status);
      return expected === undefined
        ? { ok: true, text: `${target}: ${status}` }
        : { ok: false, text: `${target}: ${status}, expected ${expected}` };
    }
    const { host = address, port } = tcpSocket as TcpSocketProbe;
    await probeTcp({ host, port }, this.#lookups.lookup, signal);
    return { ok: true, text: `${target}: connected` };
  }
}

/** What was expected instead of this status; undefined: it is what was expected. */
function expectation({ expectedStatus }: HttpGetProbe, status: number): string | undefined {
  if (expectedStatus === undefined) return status >= 200 && status < 400 ? undefined : '200 to 399';
  return status === expectedStatus ? undefined : String(expectedStatus);
}

/** Whether a probe goes to the guest's own address. */
export function asksGuestAddress({ tcpSocket, httpGet }: Probe): boolean {
  return (tcpSocket ?? httpGet)?.host === undefined;
}

function targetOf({ tcpSocket, httpGet }: Probe, address: string): string {
  if (httpGet) {
    const { scheme, host = address, port, path } = httpGet;
    return `GET ${scheme.toLowerCase()}://${authority(host, port)}${path}`;
  }
  return tcpSocket ? `tcp ${authority(tcpSocket.host ?? address, tcpSocket.port)}` : 'no probe';
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
