/** Finds the addresses of host names. The system's resolver occupies a thread of a small pool, however long it takes. */
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Slots } from './slots';

/** Lookups at the same time: half of Node's threads, so that files can be read whatever the resolver does. */
const AT_ONCE = 2;

/** Looks host names up, each once at a time. */
export class Lookups {
  readonly #slots = new Slots(AT_ONCE);
  readonly #open = new Map<string, Promise<LookupAddress[]>>();

  /** As `dns.lookup`, for the option `lookup` of sockets. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#find(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (options.all) callback(null, addresses);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, options.all ? [] : ''),
    );
  };

  #find(hostname: string): Promise<LookupAddress[]> {
    const open = this.#open.get(hostname);
    if (open) return open;
    const found = this.#slots
      .run(() => addressesOf(hostname))
      .finally(() => void this.#open.delete(hostname));
    this.#open.set(hostname, found);
    return found;
  }
}

function addressesOf(hostname: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    dnsLookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}
