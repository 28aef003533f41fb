/** Operations of other processes whose guests have more time than a timer takes. */
import { setTimeout } from 'node:timers/promises';
import { machineOf } from '../../platforms/libvirt/machines';
import type { DomainFacts } from '../../platforms/libvirt/facts';
import { Standings } from '../../platforms/libvirt/standings';
import { Evidence } from '../../platforms/vsphere/evidence';

const LONG = [30 * 86_400_000, Infinity];

test.each(LONG)('vSphere: a guest that has %d ms is not late at once', async (guest) => {
  const changed: string[] = [];
  const evidence = new Evidence(
    () => {
      throw new Error('there is no stream');
    },
    (vm) => void changed.push(vm),
  );
  evidence.unfinished('vm-1', 'op-1', guest, []);
  await setTimeout(100);
  expect([evidence.of('vm-1'), changed]).toEqual([{ type: 'Unknown' }, []]);
  evidence.close();
});

test.each(LONG)('libvirt: a guest that has %d ms is not late at once', async (guest) => {
  const uuid = '50000000-0000-4000-8000-000000000001';
  const record = { vm: uuid, id: 'op-1', seq: 1, to: 'PoweredOff', by: 'x', at: '2026-01-01T00:00:00Z' };
  const operation = JSON.stringify({ ...record, guest: 5 }).replace(
    '"guest":5',
    `"guest":${guest === Infinity ? '1e999' : guest}`,
  );
  const domain = { name: 'db', uuid, id: 1 };
  const facts: Partial<DomainFacts> = { domain, operation, running: true, power: 'PoweredOn' };
  const standings = new Standings(() => undefined);
  standings.noticed(machineOf([{ host: 'alpha', facts: facts as DomainFacts }]));
  await setTimeout(100);
  expect(standings.isOverdue(uuid)).toBe(false);
  standings.close();
});
