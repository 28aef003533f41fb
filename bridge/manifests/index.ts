/** Desired state as read: objects by name, and the trees that groups form. */
export { emptyIndex, indexManifests, withNamespace, type ManifestIndex } from './manifest-index';
export { compareNames, objectKey, splitKey, type ObjectKey } from './object-key';
export { contestOf, driverOf, parentOf, policyOf, topOf, treeOf } from './tree';
