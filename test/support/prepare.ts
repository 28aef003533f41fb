/**
 * Installs the programs that tests start and that the user does not have: before the first test of a tier begins, and by itself with
 * `npm run test:parts`. What is there already is only looked up.
 */
import { explain } from '../../cli/errors';
import { findTemporalCli } from '../../cli/temporal-server';
import { prepareKubernetesParts } from './kubernetes-parts';
import { prepareGuest } from './libvirt-parts';
import { prepareVcenterSimulator } from './vsphere-parts';

/** Where a part is and how it came there. */
interface Part {
  path: string;
  from: string;
}

/** Installs Temporal's CLI where it is missing. */
export function installTemporal(): Promise<Part> {
  return findTemporalCli({ onProgress });
}

/** Builds the simulated vCenter where it is missing. */
export function installVcenterSimulator(): Promise<Part> {
  return prepareVcenterSimulator(onProgress);
}

/** Makes the guest that tests boot on libvirt where it is missing. */
export function installGuest(): Promise<Part> {
  return prepareGuest(onProgress);
}

/** The same for all parts, one after the other. */
export async function installParts(): Promise<Record<string, Part>> {
  return {
    temporal: await installTemporal(),
    vcenterSimulator: await installVcenterSimulator(),
    libvirtGuest: await installGuest(),
    ...(await prepareKubernetesParts(onProgress)),
  };
}

/** What `install` resolves to. An error is written with its cure, without a stack that would hide it, and ends the process. */
export async function orExplain<T>(install: () => Promise<T>): Promise<T> {
  try {
    return await install();
  } catch (error: unknown) {
    process.stderr.write(explain(error));
    process.exit(1);
  }
}

/** Writes what takes long to standard error. */
function onProgress(message: string): void {
  process.stderr.write(`${message}\n`);
}

async function print(): Promise<void> {
  for (const [name, { path, from }] of Object.entries(await orExplain(installParts)))
    process.stderr.write(`${name}: ${path} (${from})\n`);
}

if (require.main === module) void print();
