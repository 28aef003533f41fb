/** Bundles: runs of the record in one file that can be verified anywhere. */
export {
  BundleError,
  makeBundle,
  readBundle,
  type Bundle,
  type BundledHistory,
  type BundledRun,
} from './bundle';
export { recordedRuns, unrecordedRun } from './collect';
export { verifyBundle, type Fault, type Replay, type VerifyOptions } from './verify';
