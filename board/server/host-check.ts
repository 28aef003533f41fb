/** Which `Host` headers a server answers to. Pure. */
import { isIP } from 'node:net';

/**
 * Whether a request may be answered. A page of another site can make the name of that site resolve to this server (DNS rebinding), but it
 * cannot make the browser send another `Host`: only IP addresses, `localhost` and the names that the operator allows are answered.
 */
export function isHostAllowed(host: string | undefined, allowed: readonly string[]): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isIP(name) !== 0 || allowed.some((each) => each.toLowerCase() === name);
}

/** The name in a `Host` header, without port and brackets, in lower case. */
function hostName(host: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_.-]{1,253}))(?::\d{1,5})?$/i.exec(host ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}
