/** Lock files, and the identity of processes. */
export { LockedError, takeLock, type Lock } from './lock';
export { ps, startedAt } from './process-identity';
