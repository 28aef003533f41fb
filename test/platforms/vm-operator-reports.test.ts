/**
 * What is reported of VMs as warnings of VM Operator arrive, by a clock that the test sets.
 *
 * Guarantees: G4.
 */
import type { VirtualMachineObject } from '../../kubernetes';
import { VmReports, type NewestVirtualMachines } from '../../platforms/vm-operator/vm-reports';
import type { Warning } from '../../platforms/vm-operator/warnings';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;
const vm = { namespace: 'prod', name: 'db', uid: 'u' };

let now: number;
let reports: VmReports;
beforeEach(() => {
  now = NOW;
  const vms = { now: () => now, arrivedAt: () => now, newest: () => undefined };
  reports = new VmReports(() => vms as unknown as NewestVirtualMachines, 10_000);
});
afterEach(() => reports.close());

/** VM Operator, whose clock is so many milliseconds ahead, warns now. */
function warn(ahead: number): void {
  const said = now + ahead;
  const warning: Warning = { vm, first: said, last: said, message: 'the host is gone' };
  reports.warned({ key: `prod/db.${said}`, object: warning, previous: undefined });
}

/** A VM that was asked to power on at a time, as it is seen now. */
function standing(askedAt: number): unknown {
  const at = new Date(askedAt).toISOString();
  const operation = { uid: 'u', id: 'op', sequence: 1, powerState: 'PoweredOn', caller: 'c', at };
  const object: VirtualMachineObject = {
    metadata: { ...vm, annotations: { 'vmgroup.dev/operation': JSON.stringify(operation) } },
    spec: { powerState: 'PoweredOn' },
    status: { powerState: 'PoweredOff', uniqueID: 'id' },
  };
  const { phase, hold, failure } = reports.stateOf(object).operation ?? {};
  return { phase, said: failure?.message ?? hold };
}

test.each([0, 5 * MINUTE])(
  'OBSERVATION-1: a warning from before the operation does not count, also where the clock of VM Operator is %d ms ahead',
  (ahead) => {
    warn(ahead);
    now += MINUTE;
    const askedAt = now;
    now += 20_000;
    expect(standing(askedAt)).toEqual({ phase: 'InProgress', said: undefined });
  },
);

test.each([0, 5 * MINUTE])(
  'OBSERVATION-1: a warning during the operation counts, also where the clock of VM Operator is %d ms ahead',
  (ahead) => {
    const askedAt = now;
    now += 3_000;
    warn(ahead);
    expect(standing(askedAt)).toEqual({ phase: 'InProgress', said: 'VM Operator: the host is gone' });
    now += 12_000;
    expect(standing(askedAt)).toEqual({ phase: 'Failed', said: 'VM Operator: the host is gone' });
  },
);
