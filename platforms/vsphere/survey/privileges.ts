/**
 * The privileges that vmgroup needs on a vSphere server, and why: the one table behind `deploy/vsphere/role.txt`, `vmgroup doctor` and the
 * documentation.
 *
 * PRIVILEGE-1: every privilege that a call needs is here, and no other.
 */

/** A privilege, by the id that the API has for it. */
export interface Privilege {
  id: string;
  /** On which objects. */
  at: 'VMs' | 'Root';
  /** What it is for. */
  reason: string;
  /** Only where operations are recorded like this. */
  records?: 'Attribute' | 'ExtraConfig';
  /** Only there: ESXi moves no VM, and DRS receives rules on request. */
  only?: 'vCenter' | 'DrsRules';
  /** What is lost without it; absent: nothing works. */
  lost?: string;
}

/** PRIVILEGE-1. */
const PRIVILEGES: readonly Privilege[] = [
  { id: 'System.View', at: 'Root', reason: 'see the inventory' },
  { id: 'System.Read', at: 'VMs', reason: 'read the state of VMs' },
  { id: 'VirtualMachine.Interact.PowerOn', at: 'VMs', reason: 'power on' },
  { id: 'VirtualMachine.Interact.PowerOff', at: 'VMs', reason: 'power off, and ask guests to shut down' },
  { id: 'VirtualMachine.Interact.Suspend', at: 'VMs', reason: 'suspend', lost: 'groups cannot be suspended' },
  {
    id: 'VirtualMachine.Interact.AnswerQuestion',
    at: 'VMs',
    reason: 'answer questions about VMs',
    lost: 'questions are shown, and answered in the vSphere Client only',
  },
  {
    id: 'Resource.ColdMigrate',
    at: 'VMs',
    reason: 'start VMs on the host that was chosen for them',
    only: 'vCenter',
    lost: 'VMs do not start on a chosen host other than their own',
  },
  { id: 'Host.Inventory.EditCluster', at: 'Root', reason: 'give DRS rules', only: 'DrsRules' },
  { id: 'Global.SetCustomField', at: 'VMs', reason: 'record operations on VMs', records: 'Attribute' },
  {
    id: 'Global.ManageCustomFields',
    at: 'Root',
    reason: 'define the custom attribute for records',
    records: 'Attribute',
  },
  {
    id: 'VirtualMachine.Config.AdvancedConfig',
    at: 'VMs',
    reason: 'record operations on VMs',
    records: 'ExtraConfig',
  },
];

/** What decides which privileges are needed. */
export interface PrivilegeUse {
  records: NonNullable<Privilege['records']>;
  vCenter: boolean;
  /** Affinity rules are passed on to DRS. */
  drsRules: boolean;
}

/** The privileges that are needed. */
export function privilegesFor({ records, vCenter, drsRules }: PrivilegeUse): Privilege[] {
  return PRIVILEGES.filter((each) => {
    if (each.records !== undefined && each.records !== records) return false;
    return each.only === undefined || (each.only === 'vCenter' ? vCenter : drsRules);
  });
}
