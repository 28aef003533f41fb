/** The platform `libvirt`: VMs of one or more hosts with QEMU/KVM. */
export { Daemon, LIST, type Domain } from './daemon';
export { factsOf, type DomainFacts } from './facts';
export { platformError } from './faults';
export type { HostOptions } from './host';
export { LibvirtPlatform, type LibvirtOptions } from './platform';
export type { Transport } from './rpc';
