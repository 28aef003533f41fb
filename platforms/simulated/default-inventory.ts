/** The simulated platform that a person gets who describes none. */
import type { SimulatedInventory } from '../../api';

const GIB = 1024 ** 3;
const ZONES = ['zone-a', 'zone-b', 'zone-c'];
const HOSTS_PER_ZONE = 3;

/** Three zones with three hosts each, one datastore a zone and one for all; boots take seconds, nothing goes wrong. */
export const DEFAULT_INVENTORY: SimulatedInventory = {
  namespace: 'default',
  name: 'default',
  uid: 'default-inventory',
  generation: 0,
  revision: 'default',
  labels: {},
  annotations: {},
  hosts: ZONES.flatMap((zone) =>
    Array.from({ length: HOSTS_PER_ZONE }, (_, index) => ({
      name: `${zone}-host-${index + 1}`,
      zone,
      pool: `${zone}-pool`,
      cpus: 256,
      memory: 2048 * GIB,
    })),
  ),
  datastores: [
    ...ZONES.map((zone) => ({
      name: `${zone}-datastore`,
      id: `datastore-${zone}`,
      zones: [zone],
      capacity: 50 * 1024 * GIB,
    })),
    { name: 'vsanDatastore', id: 'datastore-vsan', zones: ZONES, capacity: 200 * 1024 * GIB },
  ],
  behavior: {
    seed: 1,
    powerOnTime: { min: 1_500, max: 3_000 },
    readyTime: { min: 500, max: 1_500 },
    powerOffTime: { min: 300, max: 800 },
    guestShutdownTime: { min: 1_000, max: 2_500 },
    faults: [],
  },
};
