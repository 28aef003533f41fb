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
  /** The same for a client of this name, valid for so many seconds. */
  issueClient(name: string, seconds: number, certificateFile: string, keyFile: string): void;
}

/** With `openssl ca`, which takes times to the second. */
const CLIENTS = `[ca]
default_ca = clients
[clients]
database = clients
serial = clients.serial
new_certs_dir = .
default_md = sha256
policy = named
unique_subject = no
[named]
commonName = supplied
`;

/** Makes an authority in an empty folder. */
export function createAuthority(dir: string): Authority {
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '1', '-subj', '/CN=ca');
  writeFileSync(path.join(dir, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  writeFileSync(path.join(dir, 'clients.cnf'), CLIENTS);
  writeFileSync(path.join(dir, 'clients'), '');
  writeFileSync(path.join(dir, 'clients.serial'), '1000\n');
  const replace = (certificateFile: string, keyFile: string): void => {
    renameSync(path.join(dir, 'next.crt'), certificateFile);
    renameSync(path.join(dir, 'next.key'), keyFile);
  };
  return {
    certificate: readFileSync(path.join(dir, 'ca.crt'), 'utf8'),
    issue: (certificateFile, keyFile) => {
      openssl('req', ...newKey, '-keyout', 'next.key', '-out', 'next.csr', '-subj', '/CN=webhook');
      openssl(
        ...['x509', '-req', '-in', 'next.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', 'next.crt', '-days', '1', '-extfile', 'names'],
      );
      replace(certificateFile, keyFile);
    },
    issueClient: (name, seconds, certificateFile, keyFile) => {
      openssl('req', ...newKey, '-keyout', 'next.key', '-out', 'next.csr', '-subj', `/CN=${name}`);
      openssl(
        ...['ca', '-batch', '-notext', '-config', 'clients.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key'],
        // With an extension it is of version 3, the only one that every TLS library takes.
        ...['-extfile', 'names'],
        ...['-startdate', utcTime(-60), '-enddate', utcTime(seconds), '-in', 'next.csr', '-out', 'next.crt'],
      );
      replace(certificateFile, keyFile);
    },
  };
}

/** So many seconds from now, as openssl takes times. */
function utcTime(seconds: number): string {
  const digits = new Date(Date.now() + seconds * 1_000).toISOString().replaceAll(/[-T:]/g, '');
  return `${digits.slice(0, 14)}Z`;
}
