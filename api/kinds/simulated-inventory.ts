/** SimulatedInventory: the hosts, datastores and behavior of the simulated platform. */
import { z } from 'zod';
import { present, reportDuplicates, type Convert, type Report } from './convert';
import { parseDuration } from '../duration';
import { duration, fields, metadata, positiveDuration, quantity } from './fields';
import {
  SIMULATED_FAULT_TYPES,
  type SimulatedDatastore,
  type SimulatedFault,
  type SimulatedHost,
  type SimulatedInventory,
  type SimulatedTime,
} from '../model';
import { parseQuantity } from './quantity';
import { MAX_LIST } from './server-checks';
import { powerState } from './virtual-machine-group';

const GIB = 2 ** 30;
const ZONES = ['zone-a', 'zone-b', 'zone-c'];
const HOSTS_PER_ZONE = 4;

/** The default inventory: three zones with ample room, fast boots, no faults. */
export const DEFAULT_INVENTORY: SimulatedInventory = {
  namespace: 'default',
  name: 'default',
  uid: 'default',
  generation: 0,
  revision: 'default',
  labels: {},
  annotations: {},
  hosts: ZONES.flatMap((zone) =>
    Array.from({ length: HOSTS_PER_ZONE }, (_, index) => ({
      name: `${zone}-host-${index + 1}`,
      zone,
      pool: `${zone}-pool`,
      cpus: 64,
      memory: 512 * GIB,
    })),
  ),
  datastores: [
    { name: 'vsanDatastore', id: 'datastore-1', zones: ZONES, capacity: 100 * 1024 * GIB },
    { name: 'nfsDatastore', id: 'datastore-2', zones: ZONES, capacity: 100 * 1024 * GIB },
  ],
  behavior: {
    seed: 1,
    powerOnTime: 2_000,
    readyTime: 1_000,
    powerOffTime: 1_000,
    guestShutdownTime: 2_000,
    faults: [],
  },
};

function time() {
  return z.union(
    [
      duration,
      fields({
        min: duration.describe('Shortest time.'),
        max: duration.describe('Longest time.'),
      }),
      fields({
        mean: duration.describe('Mean of a normal distribution.'),
        deviation: duration.describe('Standard deviation.'),
      }),
    ],
    {
      error:
        'expected a duration such as "2s", or a distribution: {min: 1s, max: 3s} or {mean: 2s, deviation: 500ms}',
    },
  );
}

const host = fields({
  name: z.string().min(1).describe('Name of the host.'),
  zone: z.string().min(1).describe('Zone that the host is in.'),
  pool: z
    .string()
    .optional()
    .describe('Resource pool of the host. Left out: the name of the zone with `-pool`.'),
  cpus: z.number().min(0).describe('CPUs that VMs can have.'),
  memory: quantity.describe('Memory that VMs can have, such as `512Gi`.'),
});

const datastore = fields({
  name: z.string().min(1).describe('Name of the datastore.'),
  id: z.string().optional().describe('Id of the datastore. Left out: its name.'),
  zones: z.array(z.string()).optional().describe('Zones that can reach it. Left out: all.'),
  capacity: quantity.describe('Free space, such as `10Ti`.'),
});

const guest = fields({
  vm: z.string().min(1).optional().describe('`name` or `namespace/name` of the VM. Left out: any VM.'),
  address: z
    .union([z.ipv4(), z.ipv6()], { error: 'expected an IP address' })
    .optional()
    .describe('IP address that the guest reports while the VM is on.'),
  info: z
    .record(z.string().min(1), z.string())
    .optional()
    .describe('Guest info that the guest has set once it is ready, by key without the prefix `guestinfo.`.'),
});

const fault = fields({
  type: z.enum(SIMULATED_FAULT_TYPES).describe('What goes wrong.'),
  vm: z.string().min(1).optional().describe('`name` or `namespace/name` of the VM. Left out: any VM.'),
  operation: powerState.optional().describe('Only operations that lead to this power state. Left out: any.'),
  times: z
    .int()
    .min(1)
    .optional()
    .describe('Calls of each VM that are hit, from the first. Left out: every call.'),
  probability: z.number().min(0).max(1).optional().describe('Chance of a hit, 0 to 1. Left out: 1.'),
  retryAfter: positiveDuration.optional().describe('For Throttled: when to come back.'),
  factor: z.number().min(1).optional().describe('For Slow: how many times longer.'),
  kind: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('For Question: kind of the question. Left out: `msg.uuid.altered`.'),
});

const behavior = fields({
  seed: z
    .int()
    .optional()
    .describe('Seed of everything that is drawn: the same seed gives the same times and faults.'),
  powerOnTime: time().optional().describe('From the accepted power-on to PoweredOn.'),
  readyTime: time().optional().describe('From PoweredOn to ready.'),
  powerOffTime: time().optional().describe('From an accepted forced power-off or suspend to its effect.'),
  guestShutdownTime: time()
    .optional()
    .describe('From an accepted soft power-off or standby to its effect, by the guest.'),
  faults: z.array(fault).optional().describe('What goes wrong, and for whom.'),
});

/** A `SimulatedInventory` of vmgroup.dev/v1alpha1. */
export const simulatedInventorySchema = fields({
  apiVersion: z.string(),
  kind: z.literal('SimulatedInventory'),
  metadata: metadata,
  spec: fields({
    hosts: z.array(host).min(1).optional().describe('Hosts. Left out: four in each of three zones.'),
    datastores: z
      .array(datastore)
      .min(1)
      .optional()
      .describe('Datastores. Left out: two that all zones reach.'),
    guests: z
      .array(guest)
      .max(MAX_LIST)
      .optional()
      .describe(
        'Addresses of guests, for probes; the first one that fits a VM counts. Left out: none is known.',
      ),
    behavior: behavior.optional().describe('Times and faults.'),
  })
    .optional()
    .describe('The inventory; each field that is left out has its built-in value.'),
});

/** The internal form of an inventory, with the default of each field that it omits. */
export const convertInventory: Convert<z.infer<typeof simulatedInventorySchema>, SimulatedInventory> = (
  written,
  meta,
  report,
) => {
  const { hosts: givenHosts, datastores, guests, behavior: given } = written.spec ?? {};
  const hosts = givenHosts?.map(toHost) ?? DEFAULT_INVENTORY.hosts;
  const zones = [...new Set(hosts.map(({ zone }) => zone))];
  reportTwice(givenHosts ?? [], 'hosts', report);
  reportTwice(datastores ?? [], 'datastores', report);
  return {
    ...meta,
    hosts,
    datastores: datastores
      ? datastores.map((one, index) => toDatastore(one, index, zones, report))
      : DEFAULT_INVENTORY.datastores.map((one) => ({ ...one, zones })),
    ...(guests && { guests: guests.map(present) }),
    behavior: toBehavior(given ?? {}, report),
  };
};

function reportTwice(items: readonly { name: string }[], field: string, report: Report): void {
  reportDuplicates(
    items,
    ({ name }) => name,
    (index) => `spec.${field}[${index}]`,
    (index, name, firstAt) =>
      report(
        ['spec', field, index, 'name'],
        `duplicate value: ${JSON.stringify(name)} is the name of ${firstAt} already`,
      ),
  );
}

function toHost({ name, zone, pool, cpus, memory }: z.infer<typeof host>): SimulatedHost {
  return { name, zone, pool: pool ?? `${zone}-pool`, cpus, memory: parseQuantity(memory) };
}

function toDatastore(
  { name, id = name, zones, capacity }: z.infer<typeof datastore>,
  index: number,
  known: string[],
  report: Report,
): SimulatedDatastore {
  zones?.forEach((zone, place) => {
    if (known.includes(zone)) return;
    report(
      ['spec', 'datastores', index, 'zones', place],
      `no host is in zone ${JSON.stringify(zone)}: zones are ${known.join(', ')}`,
    );
  });
  return { name, id, zones: zones ?? known, capacity: parseQuantity(capacity) };
}

function toBehavior(given: z.infer<typeof behavior>, report: Report): SimulatedInventory['behavior'] {
  const defaults = DEFAULT_INVENTORY.behavior;
  const times = ['powerOnTime', 'readyTime', 'powerOffTime', 'guestShutdownTime'] as const;
  const read = Object.fromEntries(
    times.map((field) => {
      const written = given[field];
      return [field, written === undefined ? defaults[field] : toTime(written, field, report)];
    }),
  ) as Record<(typeof times)[number], SimulatedTime>;
  return { seed: given.seed ?? defaults.seed, ...read, faults: (given.faults ?? []).map(toFault) };
}

function toTime(written: z.infer<ReturnType<typeof time>>, field: string, report: Report): SimulatedTime {
  if (typeof written === 'string') return parseDuration(written);
  if ('mean' in written)
    return { mean: parseDuration(written.mean), deviation: parseDuration(written.deviation) };
  const [min, max] = [parseDuration(written.min), parseDuration(written.max)];
  if (max < min) report(['spec', 'behavior', field, 'max'], `must not be shorter than min (${written.min})`);
  return { min, max };
}

function toFault({ retryAfter, type, ...rest }: z.infer<typeof fault>): SimulatedFault {
  return {
    type,
    ...present({ ...rest, retryAfter: retryAfter === undefined ? undefined : parseDuration(retryAfter) }),
  };
}
