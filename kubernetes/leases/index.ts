/** What holds across processes by a Lease object: leader election, and locks on a name. */
export { LeaderElection, type LeaderElectionOptions } from './leader-election';
export { leaderWrites } from './leader-writes';
export {
  leaseLocks,
  LockTimeoutError,
  type HeldLock,
  type LeaseLockOptions,
  type LeaseLocks,
} from './lease-lock';
