/** Platforms: what really places VMs and switches their power, behind one small interface. */
export * from './platform';
export * from './capabilities';
export * from './existing';
export * from './observer';
export * from './observations';
export * from './platform-names';
export * from './question';
export * from './shortfalls';
export { DeletedMeanwhileError } from './waiters';
