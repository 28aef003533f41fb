/** What travels between the simulated platform and those who call it: JSON over HTTP on loopback, the watch as lines of JSON. */
import { z } from 'zod';
import { SIMULATED_FAULT_TYPES, type AffinityTerm, type SimulatedInventory } from '../../api';
import { type FailureClass, type PowerRequest, type VirtualMachineState } from '../platform';
import {
  MAX_SEQUENCE,
  type Neighbour,
  type Outranking,
  type PlacementRequest,
  type VirtualMachineRef,
} from '../../contract';
import type { SeenByRules } from './journal-lines';

/** One line of the watch. */
export type WatchLine =
  /** First line; a heartbeat comes at least this often, milliseconds. */
  | { type: 'hello'; heartbeat: number }
  | { type: 'changed'; state: VirtualMachineState }
  | { type: 'deleted'; vm: VirtualMachineRef }
  | { type: 'synced' }
  | { type: 'heartbeat' };

/** A VM on the platform, with what the next placement counts of it. */
export interface PlatformVm extends SeenByRules {
  state: VirtualMachineState;
  cpus: number;
  /** Bytes. */
  memory: number;
}

/** What the guest of a VM reports about itself. */
export interface GuestAnswer {
  heartbeat: 'gray' | 'green';
  info: Record<string, string>;
}

/** Body of every answer that is not 2xx. */
export interface Refusal {
  error: { class: FailureClass; message: string; retryAfter?: number; recorded?: Outranking };
}

/** Most lines of the journal in one answer. */
export const JOURNAL_PAGE = 10_000;

const text = z.string().min(1).max(1024);
const amount = z.number().nonnegative();
const sequence = z.number().int().nonnegative().max(MAX_SEQUENCE);
const powerState = z.enum(['PoweredOn', 'PoweredOff', 'Suspended']);
const failureClass = z.enum([
  'Transient',
  'Throttled',
  'NoCapacity',
  'OperationTimeout',
  'GateTimeout',
  'Unanswered',
  'Permanent',
  'Superseded',
]);

const vm = z.object({ namespace: text, name: text, uid: text });

/** Names a VM whatever its uid: what a person at the console knows. */
const namedVm = z.object({ namespace: text, name: text });

/** Body of `POST /v1/power`. */
export const powerBody: z.ZodType<PowerRequest> = z.object({
  vm,
  operation: z.object({ id: text, sequence }),
  powerState,
  mode: z.enum(['Hard', 'Soft', 'TrySoft']).exactOptional(),
  guestShutdownTimeout: amount,
  caller: text,
});

const labels = z.record(z.string(), z.string());

const affinityTerm: z.ZodType<AffinityTerm> = z.object({
  effect: z.enum(['Affinity', 'AntiAffinity']),
  strength: z.enum(['Required', 'Preferred']),
  topologyKey: z.enum(['kubernetes.io/hostname', 'topology.kubernetes.io/zone']),
  selector: z.object({
    matchLabels: labels,
    matchExpressions: z.array(
      z.object({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()),
      }),
    ),
  }),
  path: z.string(),
});

const seenByRules = { labels: labels.exactOptional(), affinity: z.array(affinityTerm).exactOptional() };

const placementRequest: z.ZodType<PlacementRequest> = z.object({
  vm,
  cpus: amount,
  memory: amount,
  zone: text.exactOptional(),
  optional: z.literal(true).exactOptional(),
  ...seenByRules,
});

const neighbour: z.ZodType<Neighbour> = z.object({ vm, ...seenByRules });

/** Body of `POST /v1/place`. */
export const placeBody = z.object({
  requests: z.array(placementRequest),
  caller: text,
  sequence: sequence.exactOptional(),
  beside: z.array(neighbour).exactOptional(),
  seed: z.number().exactOptional(),
});

/** Body of `POST /v1/release`. */
export const releaseBody = z.object({ vms: z.array(vm), caller: text, sequence });

/** Body of `POST /v1/answer`. */
export const answerBody = z.object({ vm, question: text, choice: text });

/** Body of `POST /v1/console/power`. */
export const consolePowerBody = z.object({ vm: namedVm, powerState });

/** Body of `POST /v1/console/delete`. */
export const consoleDeleteBody = z.object({ vm: namedVm });

/** Body of `POST /v1/console/fail`. */
export const consoleFailBody = z.object({ vm: namedVm, class: failureClass, message: text });

const time = z.union([
  amount,
  z.object({ min: amount, max: amount }),
  z.object({ mean: amount, deviation: amount }),
]);

/** Body of `PUT /v1/faults`. */
export const faultsBody = z.array(
  z.object({
    type: z.enum(SIMULATED_FAULT_TYPES),
    vm: text.exactOptional(),
    operation: powerState.exactOptional(),
    times: amount.exactOptional(),
    probability: z.number().min(0).max(1).exactOptional(),
    retryAfter: amount.exactOptional(),
    factor: amount.exactOptional(),
    kind: text.exactOptional(),
  }),
);

/** Body of `PUT /v1/inventory`. */
export const inventoryBody: z.ZodType<SimulatedInventory> = z.object({
  namespace: z.string(),
  name: text,
  uid: z.string(),
  generation: z.number(),
  revision: z.string(),
  labels,
  annotations: labels,
  hosts: z.array(z.object({ name: text, zone: text, pool: z.string(), cpus: amount, memory: amount })),
  datastores: z.array(z.object({ name: text, id: z.string(), zones: z.array(text), capacity: amount })),
  guests: z
    .array(
      z.object({
        vm: text.exactOptional(),
        address: text.exactOptional(),
        info: z.record(z.string(), z.string()).exactOptional(),
      }),
    )
    .exactOptional(),
  behavior: z.object({
    seed: z.number(),
    powerOnTime: time,
    readyTime: time,
    powerOffTime: time,
    guestShutdownTime: time,
    faults: faultsBody,
  }),
});
