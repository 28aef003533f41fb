/** What a bridge is given, and what it offers. */
import type { Client } from '@temporalio/client';
import type { ObjectName, Problem } from '../api';
import type { BridgeEvent } from './events';
import type { BridgeLogger } from './execute';
import type { Observations } from './observed';
import type { Ownership } from './ownership';
import type { RunRequest } from './requests';
import type { Source } from './source';
import type { GroupView, StatusStore } from './status';

/** What {@link startBridge} needs. */
export interface BridgeOptions {
  source: Source;
  client: Client;
  taskQueue: string;
  /** See {@link RunHealth.temporalFlags}, of those who read the status and the events; absent: not known. */
  temporalFlags?: string;
  observations: Observations;
  statusStore: StatusStore;
  /** The platform creates VMs only once they are placed: see {@link World.placesAhead}. */
  placesAhead?: boolean;
  /** Whether this process looks at runs, sends and writes now; left out: always. Call {@link Bridge.refresh} when it changes. */
  isLeader?: () => boolean;
  /** For a source whose objects can carry marks of the group that they belong to. */
  ownership?: Ownership;
  logger: BridgeLogger;
  /** Called with each event once. */
  onEvent?: (event: BridgeEvent) => void;
  /** Called with each view that changed; undefined: the group was deleted. */
  onView?: (group: ObjectName, view: GroupView | undefined) => void;
}

/** Whether the bridge does its work, and if not, why. */
export interface Readiness {
  ready: boolean;
  /** What it waits for. */
  message: string;
}

/** A bridge at work. */
export interface Bridge {
  ready(): Readiness;
  /** The views of all groups, by namespace and name. */
  views(): GroupView[];
  /** What is wrong with the manifests now. */
  problems(): readonly Problem[];
  /** Reconciles every group again: this process leads, or no longer does. */
  refresh(): void;
  /**
   * Asks for a run of a group whether one is needed or not: members that were parked or left alone are tried again. Resolves once the run of
   * its driver was sent the plan; rejects if that cannot be: the group does not exist or has no driver, or this process does not lead.
   */
  ask(request: RunRequest): Promise<void>;
  /** Trees of groups that are queued, being reconciled, and due later. */
  queue(): { waiting: number; working: number; later: number };
  /** Stops watching, following and writing; runs go on. */
  stop(): Promise<void>;
}
