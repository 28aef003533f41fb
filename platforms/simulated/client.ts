/** The simulated platform as seen by those who use it. */
import { createInterface } from 'node:readline';
import {
  PlatformError,
  type Answer,
  type GuestReport,
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import { own } from '../../api';
import { TimeLimit } from '../../limits';
import { CAPABILITIES } from '../capabilities';
import { type PlacementRequest, type PlacementResult, type VirtualMachineRef } from '../../contract';
import { Caller } from './http-call';
import type { GuestAnswer, WatchLine } from './protocol';

/** Milliseconds for one call. */
const CALL_TIMEOUT = 10_000;
/** Milliseconds for a call for places: the simulator answers one after another, and a hundred groups may ask at once. */
const PLACE_TIMEOUT = 120_000;
/** Heartbeats that may fail to come before the watch counts as broken. */
const MISSED_HEARTBEATS = 3;
/** Milliseconds in which the watch must begin, before it has announced its own heartbeat. */
const HELLO_TIMEOUT = 5_000;

/** A {@link Platform} that talks to a simulator at an address such as `http://127.0.0.1:4701`. */
export class SimulatedPlatform implements Platform {
  readonly name = 'simulated';
  readonly capabilities = CAPABILITIES.simulated;
  readonly #caller: Caller;
  /** Connections of its own: calls for places that wait must not hold up those for power. */
  readonly #placing: Caller;

  /** @param callTimeout milliseconds that one call may take, other than for places. */
  constructor(address: string, callTimeout: number = CALL_TIMEOUT) {
    this.#caller = new Caller(address, callTimeout);
    this.#placing = new Caller(address, PLACE_TIMEOUT);
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    let patience = HELLO_TIMEOUT;
    const limit = new TimeLimit(patience, signal);
    try {
      const response = await this.#caller.open({ method: 'GET', path: '/v1/watch', signal: limit.signal });
      if (response.statusCode !== 200) {
        response.destroy();
        throw new Error(`HTTP status ${response.statusCode}`);
      }
      // Lines that came with the last bytes are still delivered; what is cut off in the middle is not a line.
      response.on('error', () => undefined);
      const lines = createInterface({ input: response, crlfDelay: Infinity });
      // It passes on the errors of its input even after the loop below has ended: without a listener, they would end the process.
      lines.on('error', () => undefined);
      for await (const text of lines) {
        const line = parse(text);
        if (line === undefined) break;
        if (line.type === 'hello') patience = line.heartbeat * MISSED_HEARTBEATS;
        limit.restart(patience);
        if (signal.aborted) return;
        deliver(line, sink);
      }
      throw new Error('the platform ended it');
    } catch (error: unknown) {
      if (signal.aborted) return;
      const why = limit.isOver ? `no heartbeat for ${patience} ms` : String(error);
      throw new PlatformError('Transient', `watch of ${this.#caller.address} broke: ${why}`, undefined, {
        cause: error,
      });
    } finally {
      limit.end();
    }
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const path = `${pathOf(vm)}?uid=${encoded(vm.uid)}`;
    const answer = await this.#caller.json({ method: 'GET', path, signal, isOfVm: true });
    return (answer as { state: VirtualMachineState } | undefined)?.state;
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    const answer = await this.#caller.json({ method: 'POST', path: '/v1/power', body: request, signal });
    return (answer as { state: VirtualMachineState }).state;
  }

  async place(
    requests: PlacementRequest[],
    { caller, sequence, beside, seed }: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const body = {
      requests,
      caller,
      ...(sequence !== undefined && { sequence }),
      ...(beside && { beside }),
      ...(seed !== undefined && { seed }),
    };
    const answer = await this.#placing.json({ method: 'POST', path: '/v1/place', body, signal });
    return (answer as { results: PlacementResult[] }).results;
  }

  async release(
    vms: readonly VirtualMachineRef[],
    { caller, sequence }: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    const body = { vms, caller, sequence };
    const answer = await this.#caller.json({ method: 'POST', path: '/v1/release', body, signal });
    return (answer as { vms: VirtualMachineRef[] }).vms;
  }

  async answer(vm: VirtualMachineRef, answer: Answer, signal?: AbortSignal): Promise<void> {
    await this.#caller.json({ method: 'POST', path: '/v1/answer', body: { vm, ...answer }, signal });
  }

  async guest(
    vm: VirtualMachineRef,
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<GuestReport | undefined> {
    const path = `${pathOf(vm)}/guest?uid=${encoded(vm.uid)}`;
    const call = { method: 'GET', path, signal, isOfVm: true } as const;
    const answer = (await this.#caller.json(call)) as GuestAnswer | undefined;
    if (!answer) return undefined;
    const info = new Map(
      keys.flatMap((key) => {
        const value = own(answer.info, key);
        return value === undefined ? [] : [[key, value] as const];
      }),
    );
    return { heartbeat: answer.heartbeat, info };
  }

  async close(): Promise<void> {
    this.#caller.close();
    this.#placing.close();
  }
}

function pathOf({ namespace, name }: VirtualMachineRef): string {
  return `/v1/vms/${encoded(namespace)}/${encoded(name)}`;
}

/** For a part of a URL. Half a surrogate pair, which has no encoding, is replaced. */
function encoded(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}

function deliver(line: WatchLine, sink: WatchSink): void {
  switch (line.type) {
    case 'changed':
      return sink.changed(line.state);
    case 'deleted':
      return sink.deleted(line.vm);
    case 'synced':
      return sink.synced();
    case 'hello':
    case 'heartbeat':
      return;
  }
}

/** Undefined for a line that a broken connection has cut. */
function parse(text: string): WatchLine | undefined {
  try {
    return JSON.parse(text) as WatchLine;
  } catch {
    return undefined;
  }
}
