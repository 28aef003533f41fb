/** Who chooses the hosts of VMs, and how. */
export { Homes } from './homes';
export { oursIn } from './rule-keeper';
export { VspherePlaces } from './vsphere-places';
