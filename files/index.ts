/** Lock files, and the identity of processes. */
export { LockedError, takeLock, type Lock, type LockOptions } from './lock';
export { ps, startedAt } from './process-identity';
