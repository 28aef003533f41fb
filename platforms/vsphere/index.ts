/** The platform `vsphere`: VMs of a vCenter or of one ESXi host. */
export type { Scope } from './scope';
export { VspherePlatform, type VsphereOptions } from './platform';
export { readInventory, vmsWithTag, type VsphereInventory } from './orders';
export type { RecordPlace } from './recorder';
export { TransportError, VimFault, type Credentials, type Trust } from './soap';
export { privilegesFor, Survey, type MissingPrivilege } from './survey';
