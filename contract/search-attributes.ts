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

/** Name of each search attribute and its Temporal type. */
export const SEARCH_ATTRIBUTE_TYPES: Readonly<Record<string, 'Keyword' | 'KeywordList'>> = Object.fromEntries(
  Object.values(searchAttributeKeys).map(({ name, type }) => [
    name,
    type === 'KEYWORD_LIST' ? 'KeywordList' : 'Keyword',
  ]),
);
