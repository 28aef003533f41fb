/** Files that several processes share: which process may write, and which processes there are. */
export { LockedError, takeLock, type Lock, type LockOptions } from './lock';
export { ps, startedAt } from './process-identity';
