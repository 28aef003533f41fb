/** Who chooses the hosts of VMs, and how. */
export { Homes, type Placer } from './homes';
export { oursIn } from './rule-keeper';
export { VspherePlaces } from './vsphere-places';
