/** The resources: their internal form, parsing of every accepted version and spelling, validation. */
export * from './model';
export {
  patchAdmission,
  reviewAdmission,
  type AdmissionRequest,
  type AdmissionVerdict,
  type JsonPatchOperation,
} from './admission';
export { canonicalJson, canonicalText } from './canonical';
export {
  ASKED_FOR_ANNOTATION,
  COMPANION,
  COMPANION_STATUS,
  contestText,
  readBesideVmOperator,
} from './companion';
export { crds, type CustomResourceDefinition } from './crds';
export { formatDuration, parseDuration } from './duration';
export { compileExpression } from './expression';
export {
  DEFAULT_COMMAND_TTL,
  DEFAULT_GATE,
  DEFAULT_INVENTORY,
  DEFAULT_POLICY,
  GROUP_FINALIZER,
  GROUP_LABEL,
  LOCATOR_ANNOTATION,
  OPERATOR_COMMAND_RIGHTS,
  parseQuantity,
  PLATFORM_ANNOTATION,
  POLICY_ANNOTATION,
  readOperatorCommand,
  sequencePolicySchema,
  platformSchema,
  simulatedInventorySchema,
  virtualMachineClassSchema,
  virtualMachineGroupSchema,
  virtualMachineSchema,
  ZONE_LABEL,
  type ObjectFinding,
  type OperatorCommandName,
  type OperatorCommandSpec,
  type OperatorRight,
  type ReadObject,
} from './kinds';
export { isLater, isLaterHere } from './later';
export * from './manifests';
export { own } from './own';
export { formatPath, formatProblem, refKey, type Finding, type ObjectRef, type Problem } from './problem';
export { manifestsOf, problemOf, readResource } from './resource';
export { checkRules, sameToRules } from './rules';
export { byteLength, firstFew, fitJson, fitList, fitText, fullName, jsonLength, listed } from './text';
export { asError, fieldsOf, isMapping } from './unknown';
