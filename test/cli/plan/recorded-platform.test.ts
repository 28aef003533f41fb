/** `plan` and `diff` on a data folder go by the platform with which the process there runs; the command line wins. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dataFolder, newRecord, platformRecord, writeRecord } from '../../../cli/data-folder';
import { diff } from '../../../cli/diff/diff';
import type { ShownDiff } from '../../../cli/diff/text';
import { plan } from '../../../cli/plan/plan';
import type { PlanOptions } from '../../../cli/plan/options';
import type { GroupPlan } from '../../../cli/plan/text';
import { groupManifest, platformManifest, vmManifest } from '../../support/manifests';

const GROUP = { namespace: 'prod', name: 'shop', powerState: 'PoweredOn' };
/** Nothing listens there, which a plan says. */
const SERVER = 'https://127.0.0.1:1';
const PLATFORM = platformManifest('lab', { vsphere: { address: SERVER } });

let dir = '';
let stdout = '';
let stderr = '';

const inDir = (name: string): string => path.join(dir, name);

function write(name: string, text: string): void {
  mkdirSync(path.dirname(inDir(name)), { recursive: true });
  writeFileSync(inDir(name), text);
}

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-recorded-platform-'));
  [stdout, stderr] = ['', ''];
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((stdout += text.toString()), true));
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((stderr += text.toString()), true));
  jest.replaceProperty(process, 'env', { ...process.env, TEMPORAL_ADDRESS: '127.0.0.1:1' });
  const manifests = (...members: string[]): string =>
    [
      groupManifest({ ...GROUP, tiers: [{ members }] }),
      ...members.map((name) => vmManifest('prod', name, 'shop')),
    ].join('---\n');
  write('manifests/shop.yaml', manifests('db'));
  write('changed/shop.yaml', manifests('db', 'web'));
  write('manifests/platform.yaml', PLATFORM);
  mkdirSync(inDir('data'));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

/** What `vmgroup up manifests --platform NAME` leaves in the data folder. */
function ran(name: string, { lives = true } = {}): void {
  const files = name === 'simulated' ? [] : [inDir('manifests')];
  const record = newRecord('up', [inDir('manifests')], { platform: platformRecord(name, files) });
  writeRecord(dataFolder(inDir('data')), { ...record, ...(!lives && { processStart: 'long ago' }) });
}

type Options = Partial<Pick<PlanOptions, 'platform' | 'platforms'>>;

async function planned(folder: string, options: Options = {}): Promise<GroupPlan['placement']> {
  stdout = '';
  await plan([inDir(folder)], { data: inDir('data'), output: 'json', ...options });
  return (JSON.parse(stdout) as GroupPlan[])[0]?.placement;
}

async function compared(folder: string, options: Options = {}): Promise<ShownDiff['placement']> {
  stdout = '';
  await diff([inDir(folder)], { data: inDir('data'), output: 'json', ...options });
  return (JSON.parse(stdout) as ShownDiff[])[0]?.placement;
}

const ON_LAB = {
  type: 'NotKnown',
  message: expect.stringMatching(/VMGROUP_VSPHERE|127\.0\.0\.1:1/) as string,
};
const NOTE = 'note: the default platform is lab, as for the vmgroup up on';

test('plan: the platform of the process that runs on the data folder, also for a copy without the Platform', async () => {
  ran('lab');
  expect(await planned('manifests')).toMatchObject(ON_LAB);
  expect(await planned('changed')).toMatchObject(ON_LAB);
  expect(stderr).toContain(NOTE);
});

test('plan: --platform wins, and without a record the manifests alone decide', async () => {
  expect(await planned('changed')).toMatchObject({ type: 'Placed' });
  ran('lab');
  expect(await planned('changed', { platform: 'simulated' })).toMatchObject({ type: 'Placed' });
  expect(stderr).not.toContain('note:');
});

test('plan: of a process that has ended, for its own manifests alone', async () => {
  ran('lab', { lives: false });
  expect(await planned('manifests')).toMatchObject(ON_LAB);
  expect(await planned('changed')).toMatchObject({ type: 'Placed' });
});

test('plan: the simulated platform is not worth a note', async () => {
  ran('simulated');
  expect(await planned('changed')).toMatchObject({ type: 'Placed' });
  expect(stderr).toBe('');
});

test('diff: the platform of the process, and --platform wins', async () => {
  ran('lab');
  expect(await compared('changed')).toMatchObject(ON_LAB);
  expect(stderr).toContain(NOTE);
  stderr = '';
  expect(await compared('changed', { platform: 'kubevirt' })).toMatchObject({ type: 'LeftToPlatform' });
  expect(stderr).not.toContain(NOTE);
});

test('a Platform that is gone is named, with what there is', async () => {
  ran('lab');
  rmSync(inDir('manifests/platform.yaml'));
  await expect(planned('changed')).rejects.toThrow('there is no platform lab');
});
