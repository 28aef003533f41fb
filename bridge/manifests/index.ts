/** Desired state as read: objects by name, and who is whose parent. */
export {
  ancestry,
  compareNames,
  driverOf,
  emptyIndex,
  indexManifests,
  objectKey,
  parentOf,
  policyOf,
  splitKey,
  topOf,
  treeOf,
  withNamespace,
  type ManifestIndex,
  type ObjectKey,
} from './manifest-index';
