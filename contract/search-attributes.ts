import { defineSearchAttributeKey } from '@temporalio/common';

/** The search attributes of a run, typed. `root` lists a whole failover. */
export const searchAttributeKeys = {
  namespace: defineSearchAttributeKey('VmGroupNamespace', 'KEYWORD'),
  group: defineSearchAttributeKey('VmGroup', 'KEYWORD'),
  root: defineSearchAttributeKey('VmGroupRoot', 'KEYWORD'),
  powerState: defineSearchAttributeKey('VmGroupPowerState', 'KEYWORD'),
  phase: defineSearchAttributeKey('VmGroupPhase', 'KEYWORD'),
  parked: defineSearchAttributeKey('VmGroupParkedMembers', 'KEYWORD_LIST'),
};
