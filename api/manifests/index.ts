/** Manifests in files: their text, what it says, and changes to it. */
export { editPowerState } from './edit';
export { decodeText } from './encoding';
export {
  MAX_DOCUMENTS,
  MAX_FILE_SIZE,
  parseManifests,
  type IgnoredKind,
  type ManifestFile,
  type ParsedManifests,
} from './manifests';
export { readOneDocument } from './yaml';
