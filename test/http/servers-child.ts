/** Every HTTP server of vmgroup in one process, for tests that attack them. Sends their ports, and every error that they report. */
import path from 'node:path';
import { boardReader, startBoard } from '../../board';
import { startAdmissionServer } from '../../bridge';
import { startSimulator } from '../../simulator';
import { startHealth } from '../../worker';
import { createAuthority } from '../support/certificates';

async function main(folder: string): Promise<void> {
  const certificateFile = path.join(folder, 'tls.crt');
  const keyFile = path.join(folder, 'tls.key');
  createAuthority(folder).issue(certificateFile, keyFile);
  const health = await startHealth({ port: 0, notReady: () => undefined });
  const webhook = await startAdmissionServer({
    port: 0,
    certificateFile,
    keyFile,
    known: () => ({
      groups: [],
      virtualMachines: [],
      classes: [],
      policies: [],
      inventories: [],
      platforms: [],
    }),
    onError: (error, doing) => process.send?.({ error: `${doing}: ${String(error)}` }),
  });
  const simulator = await startSimulator({ dataDir: path.join(folder, 'simulator') });
  const board = await startBoard({
    port: 0,
    read: boardReader({ title: 'board', groups: async () => [] }),
    onError: (error) => process.send?.({ error: `board: ${String(error)}` }),
  });
  const port = (address: string): number => Number(/:(\d+)\/?$/.exec(address)?.[1]);
  process.send?.({
    health: port(health.address),
    webhook: port(webhook.address),
    simulator: port(simulator.address),
    board: port(board.url),
  });
}

void main(process.argv[2] ?? '');
process.on('disconnect', () => process.exit(0));
