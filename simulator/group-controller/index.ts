/** The stand-in for VM Operator's group controller. */
export { GroupController, UPSTREAM_MANAGER, type GroupControllerOptions } from './group-controller';
