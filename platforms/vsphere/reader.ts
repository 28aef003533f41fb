/** Reads VMs directly, where the stream may be behind. */
import { readProperties } from './stream';
import { factsOf, VM_PATHS, type VmFacts } from './facts';
import type { Recorder } from './recorder';
import { orAborted, type SoapClient } from './soap';

/** Reads VMs. */
export class Reader {
  readonly #client: SoapClient;
  readonly #recorders: readonly Recorder[];

  /** @param recorders those whose records are to be found on the VMs. */
  constructor(client: SoapClient, recorders: readonly Recorder[]) {
    this.#client = client;
    this.#recorders = recorders;
  }

  /** Those of some VMs that the server has now, by id. @throws VimFault, TransportError */
  async read(ids: readonly string[], signal: AbortSignal | undefined): Promise<Map<string, VmFacts>> {
    const objects = ids.map((id) => ({ type: 'VirtualMachine', id }));
    const read = await readProperties(this.#client, objects, VM_PATHS, signal);
    const vms = new Map([...read].map(([id, properties]) => [id, factsOf(id, properties)]));
    for (const vm of vms.values())
      for (const recorder of this.#recorders)
        if (recorder.isUnsure(vm)) await orAborted(recorder.lookAgain(vm), signal);
    return vms;
  }
}
