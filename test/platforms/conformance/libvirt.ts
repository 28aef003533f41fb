/** What the two parts of the platform `libvirt` share: broken lines, and forged records. */
import type { VirtualMachineRef } from '../../../contract';
import type { LibvirtLine } from '../../support/libvirt-line';
import { until } from '../../support/until';
import type { WatchInjury } from './platform-under-test';

/** The UUID that a VM was made with. */
export function uuidOf({ locator }: VirtualMachineRef): string {
  return locator?.slice('uuid:'.length) ?? '';
}

/** Injuries of the line to the daemon. */
export const lineInjuries: Record<string, WatchInjury> = {
  'the connection is cut': async ({ line }, meanwhile) => {
    line.cut();
    await meanwhile();
    line.restore();
    return undefined;
  },
  'the connection is cut in the middle of an event': async ({ line }, meanwhile) => {
    (line as LibvirtLine).cutInTheMiddle();
    await meanwhile();
    await until(async () => (await line.connections()) === 0);
    line.restore();
    return undefined;
  },
};

type Forge = (vm: VirtualMachineRef) => Promise<void>;

/** Forged records. `write` puts an element into the metadata of a VM. */
export function forgeriesOf(
  write: (vm: VirtualMachineRef, element: string) => Promise<void>,
): Record<string, Forge> {
  const forgery =
    (written: (record: object) => string): Forge =>
    (vm) => {
      const begin = { vm: uuidOf(vm), id: 'x', seq: 1, to: 'PoweredOff', by: 'x' };
      return write(vm, `<operation>${written({ ...begin, at: '2026-01-01T00:00:00Z' })}</operation>`);
    };
  return {
    'not JSON': forgery(() => '{"id":'),
    'no object': forgery(() => 'null'),
    'an element in an element': forgery(() => '<id>x</id>'),
    'that of another VM': forgery((record) => JSON.stringify({ ...record, vm: 'another' })),
    'of a sequence that nobody has': forgery((record) => JSON.stringify({ ...record, seq: 1e300 })),
    'of a caller of 100 KB': forgery((record) =>
      JSON.stringify({ ...record, seq: 1_000, by: 'x'.repeat(100_000) }),
    ),
  };
}
