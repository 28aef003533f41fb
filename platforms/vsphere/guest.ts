/** What VMware Tools report of a guest. */
import type { GuestReport } from '../platform';
import { readProperties } from './stream';
import type { Properties } from './facts';
import { textOf, type SoapClient } from './soap';

const HEARTBEAT = 'guestHeartbeatStatus';
const HEARTBEATS = ['gray', 'red', 'yellow', 'green'] as const;
/** Keys that a path can name: it sets them in quotes. */
const KEY = /^[^"\\[\]]+$/;

/** The report of the guest of a VM with these keys of guest info; undefined: the VM is gone. @throws VimFault, TransportError */
export async function readGuest(
  client: SoapClient,
  id: string,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<GuestReport | undefined> {
  const paths = [HEARTBEAT, ...keys.filter((key) => KEY.test(key)).map(infoPath)];
  const read = await readProperties(client, [{ type: 'VirtualMachine', id }], paths, signal);
  const properties = read.get(id);
  return properties && reportOf(properties, keys);
}

function reportOf(properties: Properties, keys: readonly string[]): GuestReport {
  const heartbeat = HEARTBEATS.find((each) => each === properties.get(HEARTBEAT)?.text);
  const info = keys.flatMap((key) => {
    const value = textOf(properties.get(infoPath(key)), 'value');
    return value === undefined ? [] : [[key, value] as const];
  });
  return { ...(heartbeat && { heartbeat }), info: new Map(info) };
}

function infoPath(key: string): string {
  return `config.extraConfig["guestinfo.${key}"]`;
}
