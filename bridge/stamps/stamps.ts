/**
 * Stamps: annotations in which the admission webhook notes who wrote an object, and when, with a seal (HMAC-SHA-256) over both and over what
 * was written.
 *
 * STAMP-1: a stamp can only be made with the private key of the webhook's certificate, from which the key of the seals is derived; and a
 *     stamp says nothing about another object, or another version of the spec.
 * STAMP-2: after a certificate is renewed, a process that has seen both can still read stamps of the old one.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { canonicalText, fitText, own } from '../../api';

/** Who wrote a version of an object. */
export interface Stamp {
  /** Name of the authenticated user. */
  user: string;
  /** RFC 3339, by the clock of the webhook. */
  at: string;
}

/** What a stamp is about. At admission, the name that `generateName` leads to is not known yet. */
export interface StampedObject {
  kind: string;
  namespace: string;
  name?: string | undefined;
  generateName?: string | undefined;
  /** Generation of the version that the user wrote. */
  generation: number;
  /** Of an object whose spec never changes: the spec. */
  spec?: unknown;
}

/** Annotation with the name of the user. */
export const STAMPED_USER = 'vmgroup.dev/changed-by';
const AT = 'vmgroup.dev/changed-at';
const SEAL = 'vmgroup.dev/changed-seal';
/** The annotations of a stamp. */
export const STAMP_ANNOTATIONS = [STAMPED_USER, AT, SEAL] as const;

/** Keys that are remembered. */
const MOST_KEYS = 4;
/** Bytes of the name of a user. */
const LONGEST_USER = 500;

/** Makes and reads stamps. */
export class Stamps {
  /** The newest first. */
  #keys: Buffer[] = [];

  /** Makes stamps by this private key (PEM) from now on, and reads those by it too. */
  use(pem: string): void {
    const key = Buffer.from(hkdfSync('sha256', pem.trim(), '', 'vmgroup stamps v1', 32));
    this.#keys = [key, ...this.#keys.filter((each) => !each.equals(key))].slice(0, MOST_KEYS);
  }

  /** The annotations of a stamp. @throws Error if no key is known. */
  make(object: StampedObject, user: string, now: number): Record<string, string> {
    const [key] = this.#keys;
    if (!key) throw new Error('there is no key to stamp objects with');
    const stamp: Stamp = { user: fitText(user, LONGEST_USER), at: new Date(now).toISOString() };
    return {
      [STAMPED_USER]: stamp.user,
      [AT]: stamp.at,
      [SEAL]: sealOf(key, object, stamp).toString('base64url'),
    };
  }

  /** The stamp of an object; undefined: it has none, or none that a key of this process has made for it. */
  read(object: StampedObject, annotations: Record<string, string> | undefined): Stamp | undefined {
    const [user, at, seal] = STAMP_ANNOTATIONS.map((name) => own(annotations, name));
    if (user === undefined || at === undefined || seal === undefined) return undefined;
    const given = Buffer.from(seal, 'base64url');
    const isGenuine = this.#keys.some((key) => {
      const wanted = sealOf(key, object, { user, at });
      return given.length === wanted.length && timingSafeEqual(given, wanted);
    });
    return isGenuine ? { user, at } : undefined;
  }
}

function sealOf(key: Buffer, object: StampedObject, { user, at }: Stamp): Buffer {
  const { kind, namespace, name = '', generateName = '', generation, spec = null } = object;
  const text = canonicalText([kind, namespace, generateName || name, generation, spec, user, at]);
  return createHmac('sha256', key).update(text).digest();
}
