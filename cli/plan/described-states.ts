/** The states of VMs on platforms that Platform objects describe, asked there: no bridge has seen a VM that only joins by the change. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { PlatformSettings, VirtualMachine, VirtualMachineStatus } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { PlatformNames } from '../../platforms';
import { messageOf } from '../errors';
import { printNote } from '../output';
import { openDescribedPlatform, type RunningPlatform } from '../runtime';

/** Milliseconds for the answer of one platform, and for the reason why there is none. */
const ANSWER = 15_000;
const REASON = 3_000;

/** The last observed state of a VM; undefined: not known. */
export type Observe = (vm: VirtualMachine) => VirtualMachineStatus | undefined;

/** What a described platform has answered, otherwise what `observe` knows. */
export function observedBy(described: DescribedStates, observe: Observe): Observe {
  return (vm) => {
    const name = `${vm.namespace}/${vm.name}`;
    return described.has(name) ? described.get(name) : observe(vm);
  };
}

/** By `namespace/name`: the status of each VM that was asked for; undefined: its platform does not have it. */
export type DescribedStates = ReadonlyMap<string, VirtualMachineStatus | undefined>;

/**
 * Asks the platforms, each once, and changes nothing. VMs of platforms that do not answer are left out, and a note on standard error says why.
 * Never rejects.
 */
export async function describedStates(
  vms: readonly VirtualMachine[],
  names: PlatformNames | undefined,
): Promise<DescribedStates> {
  const byPlatform = new Map<PlatformSettings, VirtualMachine[]>();
  for (const vm of vms) {
    const settings = names?.settingsOf(vm);
    if (settings) byPlatform.set(settings, [...(byPlatform.get(settings) ?? []), vm]);
  }
  const found = await Promise.all([...byPlatform].map(([settings, asked]) => statesOn(settings, asked)));
  return new Map(found.flat());
}

type State = [name: string, status: VirtualMachineStatus | undefined];

async function statesOn(settings: PlatformSettings, vms: readonly VirtualMachine[]): Promise<State[]> {
  let running: RunningPlatform | undefined;
  try {
    running = openDescribedPlatform(settings, { watchOnly: true }, pino({ level: 'silent' }));
    const { observer } = running;
    const refs = vms.map(refOf);
    observer.track(refs);
    const answered = await Promise.race([
      observer.synced().then(() => true),
      sleep(ANSWER, false, { ref: false }),
    ]);
    if (!answered) throw new Error(await reasonOf(running, refs));
    return refs.map((vm) => [`${vm.namespace}/${vm.name}`, observer.get(vm)?.status]);
  } catch (error: unknown) {
    printNote(
      `note: the platform of ${vms.length === 1 ? vms[0]?.name : `${vms.length} VMs`} cannot be asked (${messageOf(error)}); their states are those that the bridge saw last`,
    );
    return [];
  } finally {
    await running?.close();
  }
}

function refOf({ namespace, name, uid, locator }: VirtualMachine): VirtualMachineRef {
  return { namespace, name, uid, ...(locator !== undefined && { locator }) };
}

/** Why a platform reports nothing. */
async function reasonOf({ platform }: RunningPlatform, [vm]: readonly VirtualMachineRef[]): Promise<string> {
  const silent = `no answer within ${ANSWER / 1_000} s`;
  if (!vm) return silent;
  return platform.read(vm, AbortSignal.timeout(REASON)).then(() => silent, messageOf);
}
