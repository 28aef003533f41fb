/** What a guest answered, in words. Pure. */
import { fitText } from '../../api';

/** The end of one try. */
export interface ProbeAnswer {
  /** Whether the guest answered as expected. */
  ok: boolean;
  /** What was asked, and what came of it: `tcp 10.0.0.5:5432: connection refused`. */
  text: string;
}

/** Bytes of the text of an error of which nothing else is known. */
const TEXT_BYTES = 200;

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused'],
  ['ECONNRESET', 'connection reset'],
  ['EPIPE', 'connection reset'],
  ['ETIMEDOUT', 'no answer'],
  ['EHOSTUNREACH', 'no route to the host'],
  ['ENETUNREACH', 'no route to the network'],
  ['EADDRNOTAVAIL', 'no route to the host'],
  ['ENOTFOUND', 'no such host'],
  ['EAI_AGAIN', 'the name server does not answer'],
  ['HPE_HEADER_OVERFLOW', 'the headers of the answer are too large'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is signed by an authority that is not trusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate is signed by an authority that is not trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate is signed by an authority that is not trusted'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
]);

/** Why a try failed. */
export function reasonOf(error: unknown): string {
  // One error for each address that was tried.
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  const { code = '' } = first as NodeJS.ErrnoException;
  if (code.startsWith('HPE_') && !WORDS.has(code)) return 'the answer is not HTTP';
  return WORDS.get(code) ?? fitText(first instanceof Error ? first.message : String(first), TEXT_BYTES);
}

/** `host:port`, with brackets around an IPv6 address. */
export function authority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
