/** What a server has already: VMs, and what starts them in order. */
export { readAll, readInventory, type VsphereInventory } from './read';
export { vmsWithTag } from './tags';
