/** Which of two observations of one VM is the later one. */
import type { VirtualMachineStatus } from './model';

/** What orders observations of one VM. */
export type Observed = Pick<VirtualMachineStatus, 'version' | 'at'>;

/**
 * Whether `one` was observed later than `other`: by the platform's own versions. Only for observations without a version, of older builds
 * and platforms that have none, the clocks of those who observed are compared.
 */
export function isLater(one: Observed, other: Observed): boolean {
  if (one.version === undefined || other.version === undefined) return one.at > other.at;
  return isGreater(one.version, other.version);
}

/** Of decimal numbers of any length; of anything else nothing is known. */
function isGreater(one: string, other: string): boolean {
  if (!DECIMAL.test(one) || !DECIMAL.test(other)) return false;
  return one.length === other.length ? one > other : one.length > other.length;
}

const DECIMAL = /^(0|[1-9]\d*)$/;
