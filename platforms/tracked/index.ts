/** VMs that exist before us on a platform that does not know manifests: which one a manifest means, and what was asked of it. */
export { Bindings, type Binding, type Findable, type FoundVm } from './bindings';
export {
  earlierIds,
  MAX_RECORD,
  names,
  readRecord,
  writeRecord,
  type OperationRecord,
} from './operation-record';
export { relay } from './relay';
export { Turns } from './turns';
