/** The platform `libvirt`: VMs of one or more hosts with QEMU/KVM. */
export { Daemon } from './daemon';
export { readInventory } from './existing';
export type { HostOptions } from './host';
export { LibvirtPlatform, type LibvirtOptions } from './platform';
export type { Transport } from './rpc';
export { surveyHost, type HostSurvey, type SurveyedDomain } from './survey';
