/** D7: the page about KubeVirt and its example, on the stand-in for KubeVirt: checked, planned, run, powered off, imported. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { Kubevirt } from '../support/kubevirt';
import { blocksOf, commandsOf, root } from './documents';

const PAGE = 'docs/how-to/kubevirt.md';

jest.setTimeout(180_000);

let kubevirt: Kubevirt;
const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-docs-kubevirt-'));

beforeAll(async () => {
  buildWhenStale();
  cpSync(path.join(root, 'examples/kubevirt'), path.join(dir, 'examples/kubevirt'), { recursive: true });
  kubevirt = await Kubevirt.start({ times: { start: 100, shutdown: 50 } });
  await kubevirt.vm('old', { labels: { app: 'shop' } });
}, 180_000);
afterAll(async () => {
  await kubevirt?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs a command of the page to its end; returns what it printed. */
async function run(words: readonly string[]): Promise<string> {
  const [program, ...args] = words;
  if (program === 'kubectl')
    return kubevirt.cluster.run(args.map((word) => word.replace(/^examples\//, `${dir}/examples/`)));
  const more = args[0] === 'up' ? ['--exit-when-converged'] : [];
  const env = { KUBECONFIG: kubevirt.cluster.kubeconfig() };
  const { code, stdout, stderr } = await vmgroup([...args, ...more], { cwd: dir, env });
  const output = `${stdout}${stderr}`;
  expect({ words, code, output }).toMatchObject({ code: 0 });
  return output;
}

/** What the stand-in has brought the VMs of the example to since, in order. */
const effects = (from = 0): string[] =>
  kubevirt.deeds
    .slice(from)
    .flatMap((deed) => (deed.type === 'Effect' ? [`${deed.effect} ${deed.vm.name}`] : []));

test(PAGE, async () => {
  const commands = blocksOf(PAGE).flatMap((block) => commandsOf(PAGE, block));
  const printed = new Map<string, string>();
  for (const { words } of commands) printed.set(words.slice(0, 2).join(' '), await run(words));
  expect([...printed.keys()]).toEqual([
    ...[
      'vmgroup doctor',
      'kubectl create',
      'kubectl apply',
      'vmgroup validate',
      'vmgroup plan',
      'vmgroup up',
    ],
    ...['vmgroup power', 'vmgroup import'],
  ]);
  expect(printed.get('vmgroup plan')).toContain('placement: left to the platform');
  expect(printed.get('vmgroup import')).toContain('1 group and 1 VM in 1 file in manifests');
  const [first, ...others] = effects();
  expect(first).toBe('PoweredOn database');
  expect(others.slice(0, 2).sort()).toEqual(['PoweredOn app-1', 'PoweredOn app-2']);
  expect(others.slice(2)).toEqual(['PoweredOn web']);

  // The page has changed the group meanwhile.
  const before = kubevirt.deeds.length;
  await run(['vmgroup', 'up', 'examples/kubevirt', '--platform', 'kubevirt']);
  const off = effects(before);
  expect([off[0], off.at(-1)]).toEqual(['PoweredOff web', 'PoweredOff database']);
});
