/**
 * Signatures: JWS (RFC 7515) with Ed25519, by `jose`.
 *
 * SIGN-1: a signature is accepted only if it was made by a key that the caller names; the key that a signature names itself proves nothing.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';

/** Makes a JWS in compact form over a text. */
export interface Signer {
  /** Fingerprint of the public key: SHA-256 of its SPKI form, hexadecimal. */
  keyId: string;
  sign(payload: string): Promise<string>;
}

/** Checks a JWS. */
export interface Verifier {
  /** Fingerprints of its keys: `A or B`. */
  keyId: string;
  /** The signed text; undefined: none of its keys signed it. */
  open(jws: string): Promise<string | undefined>;
}

/** Thrown if a key cannot be used. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

/**
 * A signer.
 *
 * @param pem private Ed25519 key, PKCS #8 in PEM.
 * @throws SigningKeyError if it is none.
 */
export function signerOf(pem: string): Signer {
  const key = parsed(() => createPrivateKey(pem), 'private');
  const keyId = fingerprint(createPublicKey(key));
  return {
    keyId,
    sign: (payload) =>
      new CompactSign(new TextEncoder().encode(payload))
        .setProtectedHeader({ alg: 'EdDSA', kid: keyId })
        .sign(key),
  };
}

/** One key of a file in PEM. */
const PEM_BLOCK = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;

/**
 * A verifier.
 *
 * @param pem public Ed25519 keys, SPKI in PEM, one after the other: a record goes on with another key after its key was replaced. Private keys do
 *     as well.
 * @throws SigningKeyError if one is none.
 */
export function verifierOf(pem: string): Verifier {
  const keys = (pem.match(PEM_BLOCK) ?? [pem]).map((block) => parsed(() => createPublicKey(block), 'public'));
  return {
    keyId: keys.map(fingerprint).join(' or '),
    open: async (jws) => {
      for (const key of keys) {
        const text = await openWith(key, jws);
        if (text !== undefined) return text;
      }
      return undefined;
    },
  };
}

async function openWith(key: KeyObject, jws: string): Promise<string | undefined> {
  try {
    const { payload } = await compactVerify(jws, key, { algorithms: ['EdDSA'] });
    return new TextDecoder().decode(payload);
  } catch {
    return undefined;
  }
}

function parsed(make: () => KeyObject, kind: string): KeyObject {
  let key: KeyObject;
  try {
    key = make();
  } catch (error: unknown) {
    throw new SigningKeyError(`it is not a ${kind} key in PEM`, { cause: error });
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new SigningKeyError(`it is a key of type ${key.asymmetricKeyType ?? 'unknown'}, not Ed25519`);
  return key;
}

function fingerprint(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
