/** The calls that change a VM's power state, and what their answers say. */
import {
  child,
  childrenOf,
  element,
  localizedFault,
  managedObject,
  reference,
  textOf,
  type Fault,
  type ManagedObject,
  type SoapClient,
  type XmlElement,
} from './soap';

/** How DRS is asked. */
export interface DrsOptions {
  datacenter: ManagedObject;
  /** Places the VM though the automation level of the cluster leaves that to people. */
  override: boolean;
}

/** A task that changes the power state of a VM. */
export type PowerTask = 'PowerOnVM_Task' | 'PowerOffVM_Task' | 'SuspendVM_Task';

/** Starts a task. `host`: where to power on; absent: where the VM is registered. @throws VimFault, TransportError */
export async function startTask(
  client: SoapClient,
  vm: ManagedObject,
  method: PowerTask,
  { signal, host }: { signal: AbortSignal; host?: ManagedObject | undefined },
): Promise<ManagedObject> {
  const parameters = host ? [reference('host', host)] : [];
  return taskIn(await client.call(vm, method, parameters, { signal }), method);
}

/** Registers a VM that is off on another host, which has its datastores. @throws VimFault, TransportError */
export async function startMove(
  client: SoapClient,
  vm: ManagedObject,
  host: ManagedObject,
  signal: AbortSignal,
): Promise<ManagedObject> {
  const spec = element('spec', [reference('host', host)]);
  return taskIn(await client.call(vm, 'RelocateVM_Task', [spec], { signal }), 'RelocateVM_Task');
}

/** Has DRS place a VM and power it on. @throws VimFault, TransportError */
export async function startWithDrs(
  client: SoapClient,
  vm: ManagedObject,
  { datacenter, override }: DrsOptions,
  signal: AbortSignal,
): Promise<ManagedObject> {
  const option = element(
    'option',
    [element('key', 'OverrideAutomationLevel'), element('value', 'fullyAutomated', 'xsd:string')],
    'OptionValue',
  );
  const parameters = [reference('vm', vm), ...(override ? [option] : [])];
  const started = await client.call(datacenter, 'PowerOnMultiVM_Task', parameters, { signal });
  return taskIn(started, 'PowerOnMultiVM_Task');
}

/** Asks the guest; that has no task. @throws VimFault, TransportError */
export async function askGuest(
  client: SoapClient,
  vm: ManagedObject,
  method: 'ShutdownGuest' | 'StandbyGuest',
  signal: AbortSignal,
): Promise<void> {
  await client.call(vm, method, [], { signal });
}

function taskIn(returned: readonly XmlElement[], method: string): ManagedObject {
  const task = managedObject(returned[0]);
  if (!task) throw new Error(`${method} started no task`);
  return task;
}

/** What DRS did about one VM. */
export type DrsAnswer =
  | { type: 'Refused'; fault: Fault }
  /** A person has to apply these. */
  | { type: 'Recommended'; texts: string[] }
  /** `task`: absent where DRS manages the VM, whose task then shows on the VM. */
  | { type: 'Attempted'; task?: ManagedObject };

/** Reads `ClusterPowerOnVmResult`. */
export function drsAnswer(result: XmlElement | undefined): DrsAnswer {
  const [refused] = childrenOf(result, 'notAttempted');
  const fault = child(refused, 'fault');
  if (fault) return { type: 'Refused', fault: localizedFault(fault) };
  const recommended = childrenOf(result, 'recommendations');
  if (recommended.length > 0) {
    const texts = recommended.map(
      (each) => textOf(each, 'reasonText') || textOf(each, 'reason') || 'no reason',
    );
    return { type: 'Recommended', texts };
  }
  const task = managedObject(child(child(result, 'attempted'), 'task'));
  return { type: 'Attempted', ...(task && { task }) };
}
