/** The kinds: one schema and one conversion into the internal form each, and which of them a value is of. */
export { ZONE_LABEL } from './affinity';
export { present } from './convert';
export {
  itemKind,
  nameObject,
  recognize,
  VM_OPERATOR,
  VMGROUP,
  type Kind,
  type Kinds,
  type ObjectFinding,
  type ReadObject,
} from './kinds';
export { GROUP_LABEL } from './kubevirt-machine';
export { platformSchema } from './platform';
export { parseQuantity } from './quantity';
export { DEFAULT_GATE, DEFAULT_POLICY, sequencePolicySchema } from './sequence-policy';
export { listMap } from './server-checks';
export { DEFAULT_INVENTORY, simulatedInventorySchema } from './simulated-inventory';
export { didYouMean } from './suggest';
export { LOCATOR_ANNOTATION, PLATFORM_ANNOTATION, virtualMachineSchema } from './virtual-machine';
export { virtualMachineClassSchema } from './virtual-machine-class';
export {
  GROUP_FINALIZER,
  memberKind,
  POLICY_ANNOTATION,
  powerState,
  virtualMachineGroupSchema,
} from './virtual-machine-group';
export {
  DEFAULT_COMMAND_TTL,
  OPERATOR_COMMAND_RIGHTS,
  operatorCommandSchema,
  readOperatorCommand,
  type OperatorCommandName,
  type OperatorCommandSpec,
  type OperatorRight,
} from './operator-command';
