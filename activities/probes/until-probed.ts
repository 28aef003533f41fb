/** Asks a guest again and again until its probe has succeeded. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Probe } from '../../api';
import { timerDelay } from '../../limits';
import { asksGuestAddress } from '../../platforms';
import type { ProbeAnswer } from './answers';
import type { Guest, Prober } from './prober';

/** What {@link untilProbed} needs besides the probe. */
export interface ProbeWait {
  prober: Prober;
  /** The guest's own address as it is known now. */
  address: () => string | undefined;
  /** See {@link Guest.report}. */
  report?: Guest['report'];
  /** Called with each answer, in words. */
  onAnswer: (text: string) => void;
  signal: AbortSignal;
}

const NO_ADDRESS = "the platform does not report the guest's address";

/**
 * Resolves with the last answer once the probe has succeeded, or has failed as often in a row as it may.
 *
 * @throws the reason of `signal` once it aborts.
 */
export async function untilProbed(
  probe: Probe,
  { prober, address, report, onAnswer, signal }: ProbeWait,
): Promise<ProbeAnswer> {
  const { period, successThreshold, failureThreshold = Infinity } = probe;
  let succeeded = 0;
  let failed = 0;
  for (;;) {
    const began = performance.now();
    const guest = address();
    // Nothing is asked without an address, so nothing has failed.
    const asks = guest !== undefined || !asksGuestAddress(probe);
    const answer = asks
      ? await prober.try(probe, { address: guest ?? '', report }, signal)
      : { ok: false, text: NO_ADDRESS };
    onAnswer(answer.text);
    succeeded = answer.ok ? succeeded + 1 : 0;
    failed = answer.ok || !asks ? 0 : failed + 1;
    if (succeeded >= successThreshold || failed >= failureThreshold) return answer;
    const pause = period - (performance.now() - began);
    await sleep(timerDelay(pause), undefined, { signal });
  }
}
