/** What a server shows of itself before it is trusted, for people to compare. */
import { connect } from 'node:tls';
import { TransportError } from './transport';

/** A certificate. */
export interface Certificate {
  /** SHA-256, in hex with colons. */
  thumbprint: string;
  /** Common name of who signed it. */
  issuer: string;
  /** As the certificate says it. */
  validTo: string;
}

/** Milliseconds to see a certificate. */
const HANDSHAKE = 10_000;

/** The certificate of an address, whether it is trusted or not. Nothing is sent to the server. @throws TransportError */
export function certificateOf(address: string): Promise<Certificate> {
  const { hostname, port, host } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port || 443),
      timeout: HANDSHAKE,
      // It is only looked at.
      rejectUnauthorized: false,
    });
    const fail = (message: string): void => {
      socket.destroy();
      reject(new TransportError('Unreachable', `${host}: ${message}`));
    };
    socket.once('error', (error: Error) => fail(error.message));
    socket.once('timeout', () => fail(`no answer within ${HANDSHAKE} ms`));
    socket.once('secureConnect', () => {
      const { fingerprint256, issuer, valid_to: validTo } = socket.getPeerCertificate();
      socket.destroy();
      resolve({
        thumbprint: fingerprint256 ?? '',
        validTo: validTo ?? '',
        issuer: String(issuer?.CN ?? issuer?.O ?? 'unknown'),
      });
    });
  });
}
