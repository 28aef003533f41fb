/** The stand-in for VM Operator's group controller. */
export { GroupController, type GroupControllerOptions } from './group-controller';
export { UPSTREAM_MANAGER } from './group-writer';
