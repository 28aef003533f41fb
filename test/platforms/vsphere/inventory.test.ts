/**
 * VMs whose configuration a server cannot read, as when their storage is lost, on a stream without a server.
 *
 * Guarantees: G8.
 */
import type { VirtualMachineRef } from '../../../contract';
import type { WatchSink } from '../../../platforms';
import { Observations } from '../../../platforms/vsphere/observations';
import { Homes } from '../../../platforms/vsphere/placing';
import { Reading } from '../../../platforms/vsphere/reading';
import type { Reader } from '../../../platforms/vsphere/reader';
import { Recorder } from '../../../platforms/vsphere/recorder';
import type { SoapClient } from '../../../platforms/vsphere/soap';
import { parseXml } from '../../../platforms/vsphere/soap/xml';
import type { ObjectUpdate } from '../../../platforms/vsphere/stream';

const UUID = '50000000-0000-4000-8000-000000000001';
const VM: VirtualMachineRef = { namespace: 'prod', name: 'db', uid: 'uid-db', locator: `uuid:${UUID}` };
const XML = { length: 1_000, tags: 9, depth: 3 };

const update = (
  kind: ObjectUpdate['kind'],
  values: Record<string, string | undefined>,
  id = 'vm-1',
): ObjectUpdate => ({
  kind,
  object: { type: 'VirtualMachine', id },
  changes: new Map(
    Object.entries(values).map(([path, text]) => [
      path,
      text === undefined ? undefined : parseXml(`<val>${text}</val>`, XML),
    ]),
  ),
});
const THERE = {
  name: 'db-01',
  'config.instanceUuid': UUID,
  'config.template': 'false',
  'runtime.powerState': 'poweredOn',
  'runtime.connectionState': 'connected',
};
const LOST = {
  'config.instanceUuid': undefined,
  'config.template': undefined,
  'runtime.connectionState': 'inaccessible',
};

let observations: Observations;
let reading: Reading;
let told: string[];
beforeEach(() => {
  const stream = (): never => {
    throw new Error('there is no stream');
  };
  const recorder = new Recorder({} as SoapClient, 'vmgroup.operation', stream, undefined);
  const options = { stream, recorder, placeRecorder: recorder, watchOnly: true };
  const homes = (): Homes => all;
  observations = new Observations({
    ...options,
    scope: {},
    homes,
    onBroken: () => undefined,
    onOverwritten: () => undefined,
  });
  const { inventory } = observations;
  const all = new Homes({
    inventory,
    recorder,
    operationOf: () => undefined,
    overrideDrs: false,
    drsRules: false,
  });
  const reader = { read: async () => new Map() } as unknown as Reader;
  reading = new Reading({ host: 'vcenter', observations, homes: all, reader });
  told = [];
  const sink: WatchSink = {
    changed: ({ status }) => void told.push(status.powerState),
    deleted: () => void told.push('deleted'),
    synced: () => undefined,
  };
  observations.addSink(sink);
  observations.track([VM]);
});

/** The stream reports these, as it does once it was opened. */
function list(...updates: ObjectUpdate[]): void {
  for (const each of updates) observations.updated(each);
  observations.listed(new Set(updates.map(({ object }) => object.id)));
}

test('VSPHERE-10: a VM without its configuration is still the one that it was', async () => {
  list(update('enter', THERE));
  expect(told).toEqual(['PoweredOn']);
  observations.updated(update('modify', LOST));
  observations.settled();
  expect(await reading.find(VM, undefined)).toMatchObject({ uuid: UUID, power: undefined });
  // The stream is opened again.
  list(update('enter', { ...THERE, ...LOST }));
  expect(await reading.find(VM, undefined)).toMatchObject({ uuid: UUID, power: undefined });
  expect(told).not.toContain('deleted');
  observations.updated(update('modify', { ...THERE, 'config.instanceUuid': UUID.replace('1', '2') }));
  observations.settled();
  expect(await reading.find(VM, undefined)).toBeUndefined();
  expect(told.at(-1)).toBe('deleted');
});

test('PLATFORM-3: a VM without its configuration from the start may be the one that is asked for', async () => {
  list(update('enter', { ...THERE, ...LOST }));
  await expect(reading.find(VM, undefined)).rejects.toMatchObject({
    failureClass: 'Transient',
    message: expect.stringMatching(/VM prod\/db may be \/db-01, .*inaccessible/) as string,
  });
  const { locator: _, ...byName } = VM;
  expect(await reading.find({ ...byName, name: 'web' }, undefined)).toBeUndefined();
  observations.updated(update('modify', THERE));
  observations.settled();
  expect(await reading.find(VM, undefined)).toMatchObject({ id: 'vm-1' });
});
