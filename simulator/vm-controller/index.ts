/** The stand-in for VM Operator's VM controller. */
export { VmController, type VmControllerOptions } from './vm-controller';
export { SIMULATOR_FIELD_MANAGER } from './vm-reconciler';
