/** Asking the guest to shut down or to stand by, and what follows if it cannot be asked or does not obey. */
import type { VmFacts } from '../facts';
import { askGuest } from '../power-calls';
import { VimFault } from '../soap';
import { PEOPLE, type WaitingOperation } from './waiting-operation';

/** Milliseconds after power-on in which VMware Tools may still come up. */
const TOOLS_START = 120_000;

/** The VM after the guest was asked; `Force`: its time is up, or it cannot be asked. @throws VimFault, TransportError */
export async function requestOfGuest(
  operation: WaitingOperation,
  facts: VmFacts,
): Promise<VmFacts | undefined | 'Force'> {
  const { ground, vm, signal, record, request } = operation;
  const { guestShutdownTimeout, mode } = request;
  const deadline = Date.now() + guestShutdownTimeout;
  const method = record.to === 'Suspended' ? 'StandbyGuest' : 'ShutdownGuest';
  try {
    await operation.call(() => askGuest(ground.client, vm, method, signal));
  } catch (error: unknown) {
    if (!(error instanceof VimFault) || error.fault.type !== 'ToolsUnavailable') throw error;
    return toolsUnavailable(operation, facts, deadline);
  }
  const after = await operation.within(guestShutdownTimeout, ({ power }) => power === record.to);
  if (after || !operation.facts()) return after;
  if (mode !== 'Soft') return 'Force';
  operation.wait(
    `the guest was asked and is still on after ${guestShutdownTimeout} ms; the mode Soft does not force it`,
  );
  return operation.effect(PEOPLE);
}

/** Tools may be missing, or not be up yet. */
async function toolsUnavailable(
  operation: WaitingOperation,
  { bootTime }: VmFacts,
  deadline: number,
): Promise<VmFacts | undefined | 'Force'> {
  const soft = operation.request.mode === 'Soft';
  const starting = bootTime === undefined ? 0 : bootTime + TOOLS_START - Date.now();
  const patience = soft ? PEOPLE : Math.min(deadline - Date.now(), starting, TOOLS_START);
  if (!soft && patience <= 0) return 'Force';
  operation.wait('VMware Tools do not run, so the guest cannot be asked');
  const after = await operation.within(patience, ({ tools, power }) => tools || power !== 'PoweredOn');
  return after ?? 'Force';
}
