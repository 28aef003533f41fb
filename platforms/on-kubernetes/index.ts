/** What platforms share whose VMs are objects of an API server: the record of operations on each object, its newest version, errors, and the watch. */
export { absentState, recordOf, verdictOn, type Acceptance, type Verdict } from './accept';
export { AnswersAhead } from './answers-ahead';
export { callsInTurn } from './calls-in-turn';
export { Deletions } from './deletions';
export { platformError } from './errors';
export { followed } from './followed';
export {
  NewestObjects,
  refOf,
  resourceName,
  vmKey,
  WRITES,
  type UpdateStep,
  type VmListener,
} from './newest-objects';
export {
  isPowerState,
  OPERATION_ANNOTATION,
  operationText,
  ownAnnotation,
  recordedOperation,
  type RecordedOperation,
} from './record';
