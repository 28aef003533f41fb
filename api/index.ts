/** The resources: their internal form, parsing of every accepted version and spelling, validation. */
export * from './model';
export { formatDuration, parseDuration } from './duration';
export {
  patchAdmission,
  reviewAdmission,
  type AdmissionRequest,
  type AdmissionVerdict,
  type JsonPatchOperation,
} from './admission';
export { canonicalText } from './canonical';
export { crds, type CustomResourceDefinition } from './crds';
export { editPowerState } from './edit';
export { decodeText } from './encoding';
export { DEFAULT_NAMESPACE, type Kind, type ObjectFinding, type ReadObject } from './kinds';
export {
  MAX_DOCUMENTS,
  MAX_FILE_SIZE,
  parseManifests,
  type IgnoredKind,
  type ManifestFile,
  type ParsedManifests,
} from './manifests';
export {
  formatPath,
  formatProblem,
  refKey,
  type Finding,
  type Locate,
  type ObjectRef,
  type Path,
  type Position,
  type Problem,
} from './problem';
export { isLater, type Observed } from './later';
export { own } from './own';
export { parseQuantity } from './quantity';
export { manifestsOf, problemOf, readResource, type Resource } from './resource';
export { checkRules, sameToRules, type RuleContext } from './rules';
export { DEFAULT_POLICY, sequencePolicySchema } from './sequence-policy';
export { DEFAULT_INVENTORY, simulatedInventorySchema } from './simulated-inventory';
export { byteLength, firstFew, fitJson, fitList, fitText, jsonLength, listed } from './text';
export { virtualMachineSchema } from './virtual-machine';
export { virtualMachineClassSchema } from './virtual-machine-class';
export { POLICY_ANNOTATION, virtualMachineGroupSchema } from './virtual-machine-group';
