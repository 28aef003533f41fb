/** Cases of the alert rules, as the unit tests of promtool have them: series with a value each minute, and which alerts fire in the end. */

/** Series by their name with labels; values in promtool's notation, such as `0x9 1x20`: ten times 0, then 1. */
type Series = Record<string, string>;

/** One case. */
export interface AlertCase {
  name: string;
  /** Replaces, or adds to, those of a healthy installation. */
  series: Series;
  /** Series of the healthy installation that are not there. */
  without?: string;
  /** Names of the alerts that fire after half an hour, and no others. */
  fires: string[];
}

/** Two bridges, one of which leads, and a worker; runs end well, now and then a VM drifts. */
const HEALTHY: Series = {
  'vmgroup_bridge_leading{pod="a"}': '1x40',
  'vmgroup_bridge_leading{pod="b"}': '0x40',
  'vmgroup_bridge_ready{pod="a"}': '1x40',
  'vmgroup_bridge_ready{pod="b"}': '1x40',
  'vmgroup_cache_live{pod="a",resource="virtualmachines"}': '1x40',
  'vmgroup_cache_lists{pod="a",resource="virtualmachines"}': '1x40',
  'vmgroup_runs_stuck{pod="a",reason="StalePlan"}': '0x40',
  'vmgroup_bridge_queue_trees{pod="a",state="waiting"}': '0x20 90 40 0x20',
  'vmgroup_step_seconds_bucket{pod="a",le="0.1"}': '0+3x40',
  'vmgroup_step_seconds_bucket{pod="a",le="60"}': '0+3x40',
  'vmgroup_step_seconds_bucket{pod="a",le="+Inf"}': '0+3x40',
  'temporal_activity_schedule_to_start_latency_bucket{pod="w",le="0.1"}': '0+5x40',
  'temporal_activity_schedule_to_start_latency_bucket{pod="w",le="10"}': '0+5x40',
  'temporal_activity_schedule_to_start_latency_bucket{pod="w",le="+Inf"}': '0+5x40',
  'temporal_long_request_failure{pod="w",operation="PollWorkflowTaskQueue"}': '0x26 1x14',
  'vmgroup_groups{pod="a",phase="Converged"}': '3x40',
  'vmgroup_groups{pod="a",phase="PoweringOn"}': '1x40',
  'vmgroup_manifest_problems{pod="a",severity="Error"}': '0x40',
  'vmgroup_manifest_problems{pod="a",severity="Warning"}': '2x40',
  [events('RunEnded', 'Normal')]: '0+1x40',
  [events('RunEnded')]: '0x40',
  [events('MemberParked')]: '0x40',
  [events('DriftSeen')]: '0x24 1x16',
  [events('PowerStateContested')]: '0x40',
  [events('StatusContested')]: '0x40',
  [events('InvalidManifest')]: '0x40',
  [events('TemporalUnreachable')]: '0x24 1x16',
  [events('TemporalReachable', 'Normal')]: '0x25 1x15',
};

/** Series of members that are parked, and of groups in a phase, on one of the bridges. */
const parked = (pod = 'a'): string => `vmgroup_parked_members{pod="${pod}",class="Permanent"}`;
const groups = (phase: string): string => `vmgroup_groups{pod="a",phase="${phase}"}`;
const errors = 'vmgroup_manifest_problems{pod="a",severity="Error"}';

function events(reason: string, type = 'Warning'): string {
  return `vmgroup_events_total{pod="a",reason="${reason}",type="${type}"}`;
}

export const ALERT_CASES: AlertCase[] = [
  { name: 'nothing is wrong, and Temporal was away for a minute', series: {}, fires: [] },
  {
    name: 'no bridge leads',
    series: { 'vmgroup_bridge_leading{pod="a"}': '1x25 0x15' },
    fires: ['VmgroupNoBridgeLeads'],
  },
  {
    name: 'no bridge is there',
    series: {},
    without: 'vmgroup_bridge_',
    fires: ['VmgroupNoBridgeLeads'],
  },
  {
    name: 'two bridges lead',
    series: { 'vmgroup_bridge_leading{pod="b"}': '0x25 1x15' },
    fires: ['VmgroupTwoBridgesLead'],
  },
  {
    name: 'another bridge takes over',
    series: {
      'vmgroup_bridge_leading{pod="a"}': '1x25 0x15',
      'vmgroup_bridge_leading{pod="b"}': '0x24 1x16',
    },
    fires: [],
  },
  {
    name: 'a watch is not open',
    series: { 'vmgroup_cache_live{pod="a",resource="virtualmachines"}': '1x25 0x15' },
    fires: ['VmgroupTheCacheIsNotLive'],
  },
  {
    name: 'watches are lost',
    series: { 'vmgroup_cache_lists{pod="a",resource="virtualmachines"}': '1x20 2+1x20' },
    fires: ['VmgroupListsAgainAndAgain'],
  },
  {
    name: 'no bridge is ready',
    series: { 'vmgroup_bridge_ready{pod="a"}': '1x25 0x15', 'vmgroup_bridge_ready{pod="b"}': '1x25 0x15' },
    fires: ['VmgroupNoBridgeIsReady'],
  },
  {
    name: 'a bridge has not reached Temporal for six minutes',
    series: { [events('TemporalUnreachable')]: '0x23 1x17', [events('TemporalReachable', 'Normal')]: '0x40' },
    fires: ['VmgroupTemporalUnreachable'],
  },
  {
    name: 'a worker has not reached Temporal for six minutes',
    series: { 'temporal_long_request_failure{pod="w",operation="PollWorkflowTaskQueue"}': '0x23 1+4x17' },
    fires: ['VmgroupTemporalUnreachable'],
  },
  {
    name: 'the first VM that is parked',
    series: { [events('MemberParked')]: '0x29 1x11', [parked()]: '_x30 1x10' },
    fires: ['VmgroupAVmIsParked'],
  },
  {
    name: 'a VM that was parked half an hour ago and still is',
    series: { [events('MemberParked')]: '0 1x40', [parked()]: '_ 1x40' },
    fires: ['VmgroupAVmIsParked'],
  },
  {
    name: 'a VM that was parked and no longer is',
    series: { [events('MemberParked')]: '0x20 1x20', [parked()]: '_x21 1x4 stale' },
    fires: [],
  },
  {
    name: 'a VM that stays parked while another bridge takes over',
    series: { [parked()]: '1x25 stale', [parked('b')]: '_x26 1x14' },
    fires: ['VmgroupAVmIsParked'],
  },
  {
    name: 'a run that is stuck',
    series: { 'vmgroup_runs_stuck{pod="a",reason="StalePlan"}': '0x25 1x15' },
    fires: ['VmgroupARunDoesNotGoOn'],
  },
  {
    name: 'a run with exceptions',
    series: { [events('RunEnded')]: '0x25 1x15', [groups('ConvergedWithExceptions')]: '_x26 1x14' },
    fires: ['VmgroupARunDidNotEndWell'],
  },
  ...['ConvergedWithExceptions', 'Failed', 'Cancelled'].map((phase) => ({
    name: `a run that ended half an hour ago as ${phase}, with no other since`,
    series: { [events('RunEnded')]: '0 1x40', [groups(phase)]: '_ 1x40' },
    fires: ['VmgroupARunDidNotEndWell'],
  })),
  {
    name: 'a run that failed, and the next one that is open',
    series: { [events('RunEnded')]: '0x22 1x18', [groups('Failed')]: '_x23 1x3 stale' },
    fires: [],
  },
  {
    name: 'VMs that drift again and again',
    series: { [events('DriftSeen')]: '0x22 1+1x18' },
    fires: ['VmgroupSomebodyWorksAgainst'],
  },
  {
    name: 'power states that do not stay',
    series: { [events('PowerStateContested')]: '0x22 1+1x18' },
    fires: ['VmgroupSomebodyWorksAgainst'],
  },
  {
    name: 'one group whose status another controller writes, of which there is a warning every ten minutes',
    series: { [events('StatusContested')]: '0x4 1x9 2x9 3x17' },
    fires: ['VmgroupSomebodyWorksAgainst'],
  },
  {
    name: 'a status that another controller wrote until half an hour ago',
    series: { [events('StatusContested')]: '0x4 1x36' },
    fires: [],
  },
  {
    name: 'a group whose members another controller powers for half an hour',
    series: { [events('PowerStateContested')]: '0 1x40', [groups('Contested')]: '_ 1x40' },
    fires: ['VmgroupSomebodyWorksAgainst'],
  },
  {
    name: 'a manifest with an error',
    series: { [events('InvalidManifest')]: '0x29 1x11', [errors]: '0x29 1x11' },
    fires: ['VmgroupAManifestIsInvalid'],
  },
  {
    name: 'a manifest that has an error for half an hour',
    series: { [events('InvalidManifest')]: '0 1x40', [errors]: '0 1x40' },
    fires: ['VmgroupAManifestIsInvalid'],
  },
  {
    name: 'a manifest that was corrected',
    series: { [events('InvalidManifest')]: '0x24 1x16', [errors]: '0x24 1x3 0x13' },
    fires: [],
  },
  {
    name: 'steps that take a minute',
    series: { 'vmgroup_step_seconds_bucket{pod="a",le="0.1"}': '0x40' },
    fires: ['VmgroupStepsAreSlow'],
  },
  {
    name: 'a long queue',
    series: { 'vmgroup_bridge_queue_trees{pod="a",state="waiting"}': '0x20 500x20' },
    fires: ['VmgroupTheBridgeIsBehind'],
  },
  {
    name: 'operations that wait for a worker',
    series: { 'temporal_activity_schedule_to_start_latency_bucket{pod="w",le="0.1"}': '0x40' },
    fires: ['VmgroupOperationsWait'],
  },
];

/** A case as a file for `promtool test rules`. */
export function promtoolTest({ series, without, fires }: AlertCase, rules: string): object {
  const all = Object.entries({ ...HEALTHY, ...series });
  const there = all.filter(([name]) => without === undefined || !name.startsWith(without));
  return {
    rule_files: [rules],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: there.map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
            eval_time: '30m',
            exp_samples: fires.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
          },
        ],
      },
    ],
  };
}
