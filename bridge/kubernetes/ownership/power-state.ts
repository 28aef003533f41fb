/**
 * The power state of nested groups: that of the parent, in place of what stands there. Another client that keeps changing it back wins after a
 * few corrections (OWN-4).
 */
import type { Group, ObjectName, PowerState } from '../../../api';
import { KubernetesError, RESOURCES, type ApiServer } from '../../../kubernetes';
import { objectKey, type ObjectKey } from '../../manifests';
import { FIELD_MANAGER } from '../field-manager';

/** Corrections of one group within the time, milliseconds. */
const MOST_CORRECTIONS = 3;
const CORRECTION_WINDOW = 600_000;

/** The corrections of one group. What failed, or changed nothing because the watch is behind, was none. */
interface Corrections {
  /** When they were made, by the clock of running time. */
  at: number[];
  /** Resource version that the last one made. */
  version?: string | undefined;
}

/** Writes the power state of nested groups. */
export class NestedPowerStates {
  readonly #api: ApiServer;
  readonly #onGivenUp: (group: ObjectName, message: string) => void;
  readonly #corrections = new Map<ObjectKey, Corrections>();

  /** `onGivenUp` is called when a group is left alone. */
  constructor(api: ApiServer, onGivenUp: (group: ObjectName, message: string) => void) {
    this.#api = api;
    this.#onGivenUp = onGivenUp;
  }

  /**
   * Sets the power state, unless the group has it or is left alone.
   *
   * @throws KubernetesError
   */
  async set(group: Group, powerState: PowerState): Promise<void> {
    if (group.powerState === powerState) return;
    const key = objectKey(group);
    const now = performance.now();
    const before = this.#corrections.get(key);
    const at = (before?.at ?? []).filter((time) => now - time < CORRECTION_WINDOW);
    if (at.length >= MOST_CORRECTIONS) {
      return this.#onGivenUp(group, contested(group.powerState, powerState));
    }
    try {
      // Another group may have its name by now: that one is left alone.
      const patch = { metadata: { uid: group.uid }, spec: { powerState } };
      const options = { fieldManager: FIELD_MANAGER };
      const { metadata } = await this.#api.merge(RESOURCES.virtualMachineGroups, group, patch, options);
      const version = metadata.resourceVersion;
      const isNew = version === undefined || version !== before?.version;
      this.#corrections.set(key, { at: isNew ? [...at, now] : at, version });
    } catch (error: unknown) {
      if (!(error instanceof KubernetesError && (error.isNotFound || error.isOtherObject))) throw error;
    }
  }

  /** The group is gone. */
  forget(key: ObjectKey): void {
    this.#corrections.delete(key);
  }
}

function contested(own: PowerState | undefined, parents: PowerState): string {
  return (
    `another client keeps setting spec.powerState to ${own}; the parent has ${parents}, which is what the run goes by. ` +
    'Remove spec.powerState from what that client applies'
  );
}
