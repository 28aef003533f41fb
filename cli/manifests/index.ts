/** Manifests that a command works on: those of files, or the objects of a cluster. */
export { formatLiveProblem, readCluster, type ClusterManifests, type ReadClusterOptions } from './cluster';
export { readManifestFiles, readManifests, usesFiles } from './files';
export { inventoryOf } from './inventory';
export { shortfallWarnings } from './shortfalls';
