/** The stand-in for VM Operator's VM controller. */
export { startVmController, type VmController, type VmControllerOptions } from './vm-controller';
