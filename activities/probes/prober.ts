/**
 * Asks guests, or their platform, whether their services are up.
 *
 * PROBER-1: a worker makes at most {@link AT_ONCE} tries at a time, and each ends after its time-out (LIMIT-1), whatever the guest does.
 */
import type { HttpGetProbe, Probe, TcpSocketProbe } from '../../api';
import { orAborted, TimeLimit } from '../../limits';
import type { GuestReport } from '../../platforms';
import { authority, reasonOf, type ProbeAnswer } from './answers';
import { answerOfReport, asksPlatform } from './guest-reports';
import { probeHttp } from './http';
import { Lookups } from './lookups';
import { Slots } from './slots';
import { probeTcp } from './tcp';

/** Tries at the same time: each holds a socket. */
const AT_ONCE = 200;

/** The guest that is asked. */
export interface Guest {
  /** Its own address, for a probe without a host. */
  address: string;
  /** Asks the platform what the guest reports about itself, with some keys of guest info; absent: it does not know. */
  report?: ((keys: readonly string[], signal: AbortSignal) => Promise<GuestReport | undefined>) | undefined;
}

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
   * @throws the reason of `signal` once it aborts; the guest's failures are answers.
   */
  try(probe: Probe, guest: Guest, signal: AbortSignal): Promise<ProbeAnswer> {
    return this.#slots.run(() => this.#within(probe, guest, signal), signal);
  }

  async #within(probe: Probe, guest: Guest, signal: AbortSignal): Promise<ProbeAnswer> {
    const limit = new TimeLimit(probe.timeout, signal);
    try {
      return await orAborted(this.#ask(probe, guest, limit.signal), limit.signal);
    } catch (error: unknown) {
      signal.throwIfAborted();
      const reason = limit.isOver ? `no answer within ${probe.timeout / 1_000} s` : reasonOf(error);
      return { ok: false, text: `${targetOf(probe, guest.address)}: ${reason}` };
    } finally {
      limit.end();
    }
  }

  async #ask(probe: Probe, { address, report }: Guest, signal: AbortSignal): Promise<ProbeAnswer> {
    const target = targetOf(probe, address);
    const { tcpSocket, httpGet, guestInfo = [] } = probe;
    if (asksPlatform(probe)) {
      if (!report) throw new Error('the platform does not report it');
      const told = await report(
        guestInfo.map(({ key }) => key),
        signal,
      );
      if (!told) throw new Error('the platform does not have the VM');
      return answerOfReport(probe, told);
    }
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

function targetOf({ tcpSocket, httpGet, guestHeartbeat, guestInfo }: Probe, address: string): string {
  if (guestHeartbeat) return 'guest heartbeat';
  if (guestInfo) return 'guest info';
  if (httpGet) {
    const { scheme, host = address, port, path } = httpGet;
    return `GET ${scheme.toLowerCase()}://${authority(host, port)}${path}`;
  }
  return tcpSocket ? `tcp ${authority(tcpSocket.host ?? address, tcpSocket.port)}` : 'no probe';
}
