/** What holds across processes by a Lease object: leader election, and locks on a name. */
export { LEADER_WRITE_TIMEOUT, LeaderElection, type LeaderElectionOptions } from './leader-election';
export {
  leaseLocks,
  LockTimeoutError,
  type HeldLock,
  type LeaseLockOptions,
  type LeaseLocks,
} from './lease-lock';
