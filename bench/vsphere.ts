/**
 * 100 VMs in 5 tiers on a simulated vCenter, whose power-ons take 2 s each. Floor: a plain loop over the same calls (the record, the power-on, the
 * end of its task on one stream), without Temporal. They take turns. The calls of a run are counted.
 */
import pMap from 'p-map';
import type { VirtualMachineRef } from '../contract';
import { Observer } from '../platforms';
import { VspherePlatform } from '../platforms/vsphere';
import { element, managedObject, reference, SoapClient, type SoapOptions } from '../platforms/vsphere/soap';
import { Stream } from '../platforms/vsphere/stream';
import { startTemporal, type TestTemporal } from '../test/support/temporal';
import { until } from '../test/support/until';
import { startVcenter, type TestVcenter } from '../test/support/vsphere';
import { report, rounds, run, spread, withSpread, type Figure } from './figures';
import { startBenchWorker, TASK_QUEUE } from './lab';
import { planOf, runOurs, tiersOf, type Tiers } from './runs';

const ROUNDS = rounds(3);
const TIERS = 5;
const VMS = 20;
/** Milliseconds of one power-on; real ones take longer. */
const POWER_ON = 2_000;
/** Bound of the ratio. */
const BOUND = 1.15;

/** New VMs for one run, which are off: nothing is on record of them. */
async function create(vcenter: TestVcenter, prefix: string): Promise<Tiers> {
  const tiers = tiersOf(TIERS, VMS).map((names) => names.map((name) => `${prefix}-${name}`));
  await pMap(tiers.flat(), (name) => vcenter.create({ name }), { concurrency: 4 });
  return tiers;
}

/** Waits until the stream has shown VMs: places are given to what is known. */
async function seen(platform: VspherePlatform, namespace: string, names: readonly string[]): Promise<void> {
  const ref = (name: string): VirtualMachineRef => ({ namespace, name, uid: `uid-${name}` });
  await until(async () =>
    (await Promise.all(names.map((name) => platform.read(ref(name))))).every((vm) => vm),
  );
}

async function destroy(vcenter: TestVcenter, tiers: Tiers): Promise<void> {
  await pMap(tiers.flat(), (name) => vcenter.act(name, 'destroy'), { concurrency: 4 });
}

/** Milliseconds of the plain loop. */
async function runLoop(options: SoapOptions, tiers: Tiers): Promise<number> {
  const client = new SoapClient(options);
  const ids = new Map<string, string>();
  const listed = new Promise<void>((resolve) => {
    const ignore = (): undefined => undefined;
    const stream = new Stream(
      client,
      {
        updated: ({ object, changes }) => void ids.set(changes.get('name')?.text ?? '', object.id),
        listed: () => resolve(),
        settled: ignore,
        broken: ignore,
      },
      async () => undefined,
    );
    streams.set(client, stream);
  });
  await listed;
  const stream = streams.get(client);
  if (!stream) throw new Error('no stream');
  try {
    const began = Date.now();
    for (const names of tiers) {
      await Promise.all(
        names.map(async (name) =>
          powerOn(client, stream, { type: 'VirtualMachine', id: ids.get(name) ?? '' }),
        ),
      );
    }
    return Date.now() - began;
  } finally {
    await stream.close();
    await client.close();
  }
}

const streams = new Map<SoapClient, Stream>();

async function powerOn(client: SoapClient, stream: Stream, vm: { type: string; id: string }): Promise<void> {
  const fields = await client.manager('customFieldsManager');
  const record = [
    reference('entity', vm),
    element('key', await attribute(client)),
    element('value', 'floor'),
  ];
  await client.call(fields, 'SetField', record);
  const task = managedObject((await client.call(vm, 'PowerOnVM_Task'))[0]);
  const end = task && (await stream.ended(task, AbortSignal.timeout(120_000)));
  if (end?.state !== 'success') throw new Error(`the power-on of ${vm.id} failed`);
}

let key: Promise<string> | undefined;
/** A custom attribute of the floor's own. */
function attribute(client: SoapClient): Promise<string> {
  key ??= client.manager('customFieldsManager').then(async (manager) => {
    const parameters = [element('name', 'floor'), element('moType', 'VirtualMachine')];
    const [made] = await client.call(manager, 'AddCustomFieldDef', parameters);
    return made?.children.find(({ name }) => name === 'key')?.text ?? '';
  });
  return key;
}

interface OurRun {
  took: number;
  /** Calls of the server by method. */
  calls: Record<string, number>;
}

async function runGroup(
  vcenter: TestVcenter,
  temporal: TestTemporal,
  name: string,
  tiers: Tiers,
): Promise<OurRun> {
  const before = (await vcenter.calls()).counts;
  const { took } = await runOurs({ temporal, taskQueue: TASK_QUEUE }, planOf(name, tiers, 50));
  const { counts } = await vcenter.calls();
  const calls = Object.entries(counts).map(
    ([method, count]) => [method, count - (before[method] ?? 0)] as const,
  );
  return { took, calls: Object.fromEntries(calls.filter(([, count]) => count > 0)) };
}

async function main(): Promise<void> {
  const vcenter = await startVcenter();
  await vcenter.drs('off');
  await vcenter.delays({ PowerOnVM_Task: POWER_ON });
  const { address, user, password, authority } = vcenter;
  const options = {
    address,
    trust: { ca: authority.certificate },
    credentials: async () => ({ user, password }),
  };
  const temporal = await startTemporal();
  const platform = new VspherePlatform(options);
  const observer = new Observer(platform);
  await observer.synced();
  const collectors = (await vcenter.calls()).counts['CreatePropertyCollector'];
  const worker = await startBenchWorker(temporal, { platform, observer });
  const [ours, floor]: [OurRun[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const mine = await create(vcenter, `ours-${round}`);
    await seen(platform, `ours-${round}`, mine.flat());
    ours.push(await runGroup(vcenter, temporal, `ours-${round}`, mine));
    await destroy(vcenter, mine);
    const loops = await create(vcenter, `floor-${round}`);
    floor.push(await runLoop(options, loops));
    await destroy(vcenter, loops);
  }
  await worker.shutdown();
  await observer.close();
  await platform.close();
  await temporal.stop();
  await vcenter.stop();
  report(`${TIERS} tiers of ${VMS} VMs on a vCenter, ${ROUNDS} rounds`, figuresOf(ours, floor, collectors));
}

function figuresOf(ours: readonly OurRun[], floor: readonly number[], collectors = 0): Figure[] {
  const [run, loop] = [spread(ours.map(({ took }) => took)), spread(floor)];
  const count = (method: string): number => spread(ours.map(({ calls }) => calls[method] ?? 0)).median;
  const methods = [...new Set(ours.flatMap(({ calls }) => Object.keys(calls)))].sort();
  const all = spread(ours.map(({ calls }) => Object.values(calls).reduce((sum, each) => sum + each, 0)));
  return [
    { name: 'the group', text: `${withSpread(run, 0)} ms` },
    { name: 'floor: a plain loop', text: `${withSpread(loop, 0)} ms` },
    { name: 'over floor', value: run.median / loop.median, bound: BOUND },
    { name: 'streams of the process', value: collectors, bound: 1 },
    { name: 'calls of a run', text: all.median.toFixed(0) },
    ...methods.map((method): Figure => ({ name: `  ${method}`, text: count(method).toFixed(0) })),
  ];
}

run(main);
