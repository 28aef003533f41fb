/** Certificates for tests, made with openssl. */
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** An authority that signs certificates of 127.0.0.1. */
export interface Authority {
  /** PEM. */
  certificate: string;
  /** Writes a new certificate and its key over these files, as one step each. */
  issue(certificateFile: string, keyFile: string): void;
}

/** Makes an authority in an empty folder. */
export function createAuthority(dir: string): Authority {
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '1', '-subj', '/CN=ca');
  writeFileSync(path.join(dir, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  return {
    certificate: readFileSync(path.join(dir, 'ca.crt'), 'utf8'),
    issue: (certificateFile, keyFile) => {
      openssl('req', ...newKey, '-keyout', 'next.key', '-out', 'next.csr', '-subj', '/CN=webhook');
      openssl(
        ...['x509', '-req', '-in', 'next.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', 'next.crt', '-days', '1', '-extfile', 'names'],
      );
      renameSync(path.join(dir, 'next.crt'), certificateFile);
      renameSync(path.join(dir, 'next.key'), keyFile);
    },
  };
}
