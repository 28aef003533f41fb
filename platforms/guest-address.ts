/** Which addresses a guest may report as its own. Pure. */
import { BlockList, isIP } from 'node:net';

/** Loopback, unspecified, link-local (with the metadata services of clouds) and multicast: from a worker they lead to another machine than the guest. */
const FORBIDDEN = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
] as const)
  FORBIDDEN.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  FORBIDDEN.addSubnet(network, prefix, 'ipv6');

/** Whether a worker may take an address that a guest reports for the guest's own. */
export function isGuestAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !FORBIDDEN.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
