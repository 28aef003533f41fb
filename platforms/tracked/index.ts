/** VMs that exist before us on a platform that does not know manifests: which one a manifest means, and what was asked of it. */
export { Audience } from './audience';
export { Bindings, isNamedBy, type Binding, type Findable, type FoundVm } from './bindings';
export {
  compareRecords,
  earlierIds,
  MAX_RECORD,
  names,
  outranks,
  readRecord,
  shortId,
  writeRecord,
  type OperationRecord,
} from './operation-record';
export { untilOpen } from './opening';
export { relay } from './relay';
export { Turns } from './turns';
export { nextAt, readPlace, writePlace, type PlaceRecord } from './place-record';
export type { Asked } from './claims';
export { Places } from './places';
export type { Candidate, Standing, World } from './placing';
export { TrackedOperation } from './tracked-operation';
