import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createActivities } from '../../activities';
import { type Activities, type PowerInput, type PowerResult } from '../../contract';
import type { SimulatedInventory } from '../../api';
import { Observer } from '../../platforms';
import { SimulatedPlatform, SimulatorConsole, type JournalLine } from '../../platforms/simulated';
import { startSimulator, type Simulator } from '../../simulator';
import { vm, withFolder } from '../simulator/fixtures';

/** A real simulated platform with the activities on it. */
export interface Bench {
  simulator: Simulator;
  platform: SimulatedPlatform;
  observer: Observer;
  desk: SimulatorConsole;
  activities: Functions;
}

/** The activities as plain functions. */
type Functions = {
  [K in keyof Activities]: (...input: Parameters<Activities[K]>) => ReturnType<Activities[K]>;
};

export function bench(inventory: SimulatedInventory, use: (bench: Bench) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const simulator = await startSimulator({ dataDir: folder, inventory });
    const platform = new SimulatedPlatform(simulator.address);
    const observer = new Observer(platform);
    const desk = new SimulatorConsole(simulator.address);
    const activities = createActivities({ platform, observer });
    try {
      await observer.synced();
      await use({ simulator, platform, observer, desk, activities });
    } finally {
      await observer.close();
      await platform.close();
      desk.close();
      await simulator.close();
    }
  });
}

export function powerInput(name: string, over: Partial<PowerInput> = {}): PowerInput {
  return {
    vm: vm(name),
    operation: { id: `run/${name}`, sequence: 100 },
    powerState: 'PoweredOn',
    gate: 'PoweredOn',
    gateTimeout: 10_000,
    operationTimeout: 10_000,
    guestShutdownTimeout: 1_000,
    retry: { maximumAttempts: 3, initialInterval: 100, maximumInterval: 300 },
    earlier: [],
    caller: 'vmgroup/prod/group',
    ...over,
  };
}

/** What one attempt left behind. */
export interface Ended {
  result?: PowerResult;
  error?: Error & {
    type?: string;
    nonRetryable?: boolean;
    nextRetryDelay?: number | string;
    details?: { failures: { class: string; attempt: number; retryAt?: number }[] }[];
  };
  /** The last heartbeat's details, as the next attempt gets them. */
  details: unknown;
}

/** Where an activity runs. */
export function environmentOf(number = 1, details?: unknown): MockActivityEnvironment {
  const info = { attempt: number, heartbeatDetails: details };
  return new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
}

/** A value as it comes out of a Temporal payload. */
export function copyOf(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Runs one attempt as Temporal does: with its number and the details of the one before. */
export async function attempt(
  activity: (input: PowerInput) => Promise<PowerResult>,
  input: PowerInput,
  number = 1,
  details?: unknown,
  during?: (environment: MockActivityEnvironment) => void,
): Promise<Ended> {
  const environment = environmentOf(number, details);
  const ended: Ended = { details };
  environment.on('heartbeat', (beat: unknown) => (ended.details = copyOf(beat)));
  during?.(environment);
  try {
    ended.result = await environment.run(activity, input);
  } catch (error: unknown) {
    ended.error = error as NonNullable<Ended['error']>;
  }
  return ended;
}

/** Runs attempts one after the other until one succeeds or the activity gives up. */
export async function attempts(
  activity: (input: PowerInput) => Promise<PowerResult>,
  input: PowerInput,
): Promise<Ended[]> {
  const all: Ended[] = [];
  for (let number = 1; ; number++) {
    const ended = await attempt(activity, input, number, all.at(-1)?.details);
    all.push(ended);
    if (ended.result || ended.error?.nonRetryable) return all;
  }
}

/** The journal of one VM in short: calls with their answers, effects with their operations. */
export function story(journal: JournalLine[], name: string): string[] {
  return journal.flatMap((line) => {
    if (!('vm' in line) || line.vm !== `prod/${name}`) return [];
    if (line.type === 'call') return [`${line.operationId} ${line.answer}`];
    return line.type === 'effect' ? [`${line.operationId ?? line.caller} => ${line.effect}`] : [];
  });
}
