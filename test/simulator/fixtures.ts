import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulatedFault, SimulatedInventory } from '../../api';
import { solveChecked } from '../../placement';
import { answerPlace } from '../../simulator/engine';
import type { PlaceCall } from '../../platforms/simulated';
import type { PowerRequest } from '../../platforms';
import type { PlacementRequest, VirtualMachineRef } from '../../contract';

export const GIB = 1024 ** 3;

/** An inventory whose times are short and fixed. */
export function inventory(
  over: Partial<SimulatedInventory['behavior']> = {},
  hosts: SimulatedInventory['hosts'] = [
    { name: 'host-1', zone: 'zone-a', pool: 'pool-a', cpus: 4_000, memory: 8_000 * GIB },
    { name: 'host-2', zone: 'zone-b', pool: 'pool-b', cpus: 4_000, memory: 8_000 * GIB },
  ],
): SimulatedInventory {
  return {
    namespace: 'default',
    name: 'test',
    uid: 'test',
    generation: 1,
    revision: 'test',
    labels: {},
    annotations: {},
    hosts,
    datastores: [],
    behavior: {
      seed: 7,
      powerOnTime: 20,
      readyTime: 20,
      powerOffTime: 20,
      guestShutdownTime: 40,
      faults: [],
      ...over,
    },
  };
}

export function withFaults(...faults: SimulatedFault[]): SimulatedInventory {
  return inventory({ faults });
}

export function vm(name: string, uid = `uid-${name}`): VirtualMachineRef {
  return { namespace: 'prod', name, uid };
}

export function placement(name: string, over: Partial<PlacementRequest> = {}): PlacementRequest {
  return { vm: vm(name), cpus: 2, memory: 4 * GIB, ...over };
}

/** The answer to a call for placement, with the solver in this thread. */
export function placeNow(...call: Parameters<typeof answerPlace>): PlaceCall {
  const reply = answerPlace(...call);
  if (reply.type === 'Answered') return reply.call;
  return reply.conclude(solveChecked(reply.problem), call[3]);
}

let counter = 0;

export function power(
  name: string,
  powerState: PowerRequest['powerState'],
  over: Partial<PowerRequest> & { id?: string; sequence?: number } = {},
): PowerRequest {
  counter += 1;
  const { id = `op-${counter}`, sequence = counter, ...rest } = over;
  return {
    vm: vm(name),
    operation: { id, sequence },
    powerState,
    guestShutdownTimeout: 1_000,
    caller: 'test',
    ...rest,
  };
}

/** Runs `use` with a folder that is gone afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vmgroup-platform-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
