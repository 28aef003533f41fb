/**
 * The bridge: keeps the run of each group in accordance with the group's desired state, and its status with both. This file connects the
 * parts: what is observed (`observed/`) goes into a pure pass (`pass/`), and what that decides is carried out (`execute/`).
 *
 * BRIDGE-1: two bridges at once do no harm. Only the leader looks at runs and sends, and everything that is sent may be sent twice: a run
 *     takes the same plan only once, and a group has at most one open run. One that takes over acts once it has read what the previous
 *     leader kept.
 * BRIDGE-2: a restart loses nothing. Desired state is in the source, the state of VMs in the observations, runs in Temporal. What was sent is
 *     kept with the status, and losing it costs one more message.
 * BRIDGE-3: an invalid edit changes nothing but the problems that are shown.
 * BRIDGE-4: no run starts before the source was read, all VMs were reported and the last run is known, and none twice for the same desired
 *     state.
 */
import { groupObject } from './events';
import {
  announcer,
  errorText,
  Executor,
  logFields,
  reachability,
  ShownViews,
  type LogKnowledge,
} from './execute';
import { objectKey, splitKey } from './manifests';
import { DesiredState, GroupMemory, ObservedVms, TreeObserver } from './observed';
import type { Bridge, BridgeOptions } from './options';
import { Reconciler } from './reconciler';
import { groupRuns, temporalRuns, type TemporalRuns } from './runs';
import { RunningBridge } from './running-bridge';
import { runOfView } from './status';
import { TreeQueue } from './tree-queue';

/** Starts a bridge; resolves once it watches. Rejects if the source cannot be read at all. */
export function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { client, taskQueue, temporalFlags } = options;
  return startBridgeWith(temporalRuns(client, taskQueue, temporalFlags), options);
}

/** {@link startBridge} with Temporal as given. */
export async function startBridgeWith(
  temporal: TemporalRuns,
  options: Omit<BridgeOptions, 'client' | 'taskQueue'>,
): Promise<Bridge> {
  const { source, observations, statusStore: store, ownership, onEvent, onView, logger } = options;
  const { placesAhead = false, isLeader = () => true } = options;
  const desired = new DesiredState(source.listsAllGroups === true);
  const known = knowledgeOf(desired, (name) => runs.get(name));
  const announce = announcer(logger, (object) => logFields(object, known), onEvent);
  const memory = new GroupMemory();
  const vms = new ObservedVms(observations);
  const views = new ShownViews({ store, announce, ...(onView && { onView }) });
  const runs = groupRuns({
    temporal,
    remembered: (group) => runOfView(views.get(objectKey(group))),
    onChange: (group) => queue.touch(group),
    onReachable: (reachable, error) => {
      announce(reachability(reachable, error));
      if (reachable) bridge.touchAll();
    },
  });
  const reconciler = new Reconciler({
    desired,
    memory,
    views,
    observer: new TreeObserver({ desired, memory, runs, vms, placesAhead, viewOf: (key) => views.get(key) }),
    executor: new Executor({ runs, memory, announce, ...(ownership && { ownership }) }),
    mayAct: () => !bridge.isStopped && bridge.isCurrent && isLeader(),
    again: (group, delay) => queue.touch(group, delay),
    onThought: (time) => queue.took(time),
  });
  const queue: TreeQueue = new TreeQueue({
    isOpen: () => desired.isRead() && bridge.isSynced,
    topOf: (group) => desired.topOf(group),
    work: (key) => reconciler.reconcile(key),
    onError: (key, error, retryIn) =>
      logger.warn(
        { ...logFields(groupObject(splitKey(key)), known), error: errorText(error), retryIn },
        'reconcile failed, requeued',
      ),
  });
  const bridge: RunningBridge = new RunningBridge({
    source,
    observations,
    logger,
    placesAhead,
    isLeader,
    announce,
    desired,
    memory,
    vms,
    views,
    runs,
    queue,
  });
  await bridge.start();
  return asFunctions(bridge);
}

function knowledgeOf(desired: DesiredState, run: LogKnowledge['run']): LogKnowledge {
  return {
    group: (name) => desired.group(objectKey(name)),
    machine: (name) => desired.index.virtualMachines.get(objectKey(name)),
    run,
  };
}

/** Plain functions: a bridge with more abilities is made by spreading. */
function asFunctions(bridge: Bridge): Bridge {
  return {
    ready: () => bridge.ready(),
    views: () => bridge.views(),
    problems: () => bridge.problems(),
    refresh: () => bridge.refresh(),
    queue: () => bridge.queue(),
    ask: (request) => bridge.ask(request),
    stop: () => bridge.stop(),
  };
}
