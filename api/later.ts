/** Which of two observations of one VM is the later one. */
import type { VirtualMachineStatus } from './model';

/** What orders observations of one VM. */
export type Versioned = Pick<VirtualMachineStatus, 'version'>;

/**
 * Whether `one` was observed later than `other`, by the platform's own versions; undefined where one of them has none. The clocks of those
 * who observed do not tell: they differ.
 */
export function isLater(one: Versioned, other: Versioned): boolean | undefined {
  if (one.version === undefined || other.version === undefined) return undefined;
  return isGreater(one.version, other.version);
}

/** The same of two observations made in one process: where the versions do not tell, its clock does. */
export function isLaterHere(one: VirtualMachineStatus, other: VirtualMachineStatus): boolean {
  return isLater(one, other) ?? one.at > other.at;
}

/** Of decimal numbers of any length; of anything else nothing is known. */
function isGreater(one: string, other: string): boolean {
  if (!DECIMAL.test(one) || !DECIMAL.test(other)) return false;
  return one.length === other.length ? one > other : one.length > other.length;
}

const DECIMAL = /^(0|[1-9]\d*)$/;
