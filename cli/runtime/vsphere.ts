/** Opens a vCenter or an ESXi host, with the credentials that files or the environment have. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { own, type VsphereSettings } from '../../api';
import type { Platform } from '../../platforms';
import type { Credentials, Trust } from '../../platforms/vsphere';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';

/** Where a server is, who logs in, and what its certificate is verified by. */
export interface Connection {
  address: string;
  credentials: Credentials;
  trust: Trust;
}

/** Bytes of a file with a user or a password. */
const MAX_SECRET = 4_096;

/** How the server of a Platform is reached. @throws CliError where a file or a variable is missing. */
export function vsphereConnection(settings: VsphereSettings): Connection {
  const { address, caFile, thumbprint } = settings;
  const url = new URL(address);
  if (url.pathname === '/') url.pathname = '/sdk';
  return {
    address: url.href,
    credentials: credentialsOf(settings),
    trust: {
      ...(caFile !== undefined && { ca: readCa(caFile) }),
      ...(thumbprint !== undefined && { thumbprint }),
    },
  };
}

/** @throws CliError where a file or a variable is missing. */
export function openVsphere(settings: VsphereSettings, watchOnly: boolean, logger: Logger): Platform {
  const { folder, pool, records, overrideDrs, drsRules } = settings;
  return new (lazy.vsphere().VspherePlatform)({
    ...vsphereConnection(settings),
    scope: { ...(folder !== undefined && { folder }), ...(pool !== undefined && { pool }) },
    watchOnly,
    ...(records && { records }),
    ...(overrideDrs !== undefined && { overrideDrs }),
    ...(drsRules !== undefined && { drsRules }),
    onBroken: (error, retryIn) =>
      logger.warn({ err: error, retryIn }, 'lost the stream of vSphere, retrying'),
  });
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error: unknown) {
    throw new CliError(`the authorities of the certificate cannot be read: ${messageOf(error)}`, [
      'correct spec.vsphere.caFile of the Platform',
    ]);
  }
}

type Source = () => Promise<string>;

function credentialsOf({ userFile, passwordFile }: VsphereSettings): () => Promise<{
  user: string;
  password: string;
}> {
  const user = source(userFile, 'VMGROUP_VSPHERE_USER', 'userFile');
  const password = source(passwordFile, 'VMGROUP_VSPHERE_PASSWORD', 'passwordFile');
  return async () => ({ user: await user(), password: await password() });
}

/** Read at each login, so that a changed file is used without a restart. */
function source(file: string | undefined, variable: string, field: string): Source {
  if (file !== undefined) {
    return async () => {
      const text = await readFile(file, 'utf8');
      if (text.length > MAX_SECRET) throw new Error(`${file} has more than ${MAX_SECRET} characters`);
      return text.replace(/\r?\n$/, '');
    };
  }
  const value = own(process.env, variable);
  if (value === undefined || value === '') {
    throw new CliError(`there is no user to log in to vSphere with: ${variable} is not set`, [
      `set ${variable}, or name a file in spec.vsphere.${field} of the Platform`,
    ]);
  }
  return async () => value;
}
