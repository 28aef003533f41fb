/** What the bridge knows: desired state, VMs, runs, and what it remembers. */
export { DesiredState } from './desired-state';
export { GroupMemory, OTHER_LEADS } from './group-memory';
export { ObservedVms, type Observations } from './observed-vms';
export { TreeObserver } from './tree-observer';
