/** The platform `vm-operator` with the stand-in for VM Operator's VM controller: what one says the other understands. */
import { RESOURCES } from '../../kubernetes';
import { attempt, attempts, powerInput } from '../activities/fixtures';
import { withFaults, withFolder } from '../simulator/fixtures';
import { Stage, startVmCluster } from '../simulator/vm-controller-fixtures';
import { withProcess } from './vm-operator-fixtures';

test('power on and off, and the cause of a power-on that fails', async () => {
  const cluster = await startVmCluster();
  try {
    await withFolder(async (folder) => {
      const stage = new Stage(cluster.api, 'prod', folder);
      await stage.start({
        inventory: withFaults({ type: 'NoCapacity', vm: 'full', operation: 'PoweredOn' }),
      });
      try {
        const made = await Promise.all(
          ['db', 'full'].map((name) =>
            cluster.api.create(RESOURCES.virtualMachines, {
              metadata: { name, namespace: 'prod' },
              spec: { powerState: 'PoweredOff' },
            }),
          ),
        );
        const [db, full] = made.map(({ metadata: { name, uid = '' } }) => ({ namespace: 'prod', name, uid }));
        await withProcess(
          cluster.kubeconfig(),
          async ({ activities }) => {
            const on = powerInput('db', { vm: db as never });
            expect((await attempt(activities.powerOn, on)).result?.status.powerState).toBe('PoweredOn');
            const operation = { id: 'off', sequence: 200 };
            const off = powerInput('db', {
              vm: db as never,
              operation,
              powerState: 'PoweredOff',
              mode: 'Hard',
            });
            expect((await attempt(activities.powerOff, off)).result?.status.powerState).toBe('PoweredOff');
            const ended = await attempts(activities.powerOn, powerInput('full', { vm: full as never }));
            expect(ended.map(({ error }) => error?.type)).toEqual(['NoCapacity', 'NoCapacity', 'NoCapacity']);
            expect(ended.at(-1)?.error?.message).toMatch(/attempt 3 of 3: VM Operator: .*no host has room$/);
          },
          { patience: 1_000 },
        );
      } finally {
        await stage.stop();
      }
    });
  } finally {
    await cluster.stop();
  }
});
