/** Where desired state is read and watched: the port of a source, and the source that is a folder of manifests. */
export { directorySource, type DirectorySourceOptions } from './directory-source';
export { loadLastValid } from './last-valid';
export type { ManifestFile } from './manifest-file';
export { manifestReader, readingProblems, type ManifestFiles } from './manifest-files';
export type { Source, SourceState, UnusableGroup } from './source';
