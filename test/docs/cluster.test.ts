/**
 * D6: the commands of pages about a cluster do there what the page shows, in the order of the page.
 *
 * The processes that a page starts run already. Numbers, ids, times and zones may differ; what only reads is asked again until it prints what is
 * shown.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import { effects } from '../support/system';
import { blocksOf, commandsOf, root, savedAs, textOf, type Shown } from './documents';

const TUTORIAL = 'docs/tutorial-kubernetes.md';
const MIGRATE = 'docs/how-to/migrate.md';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-docs-'));
let system: ClusterSystem;
beforeAll(async () => {
  buildWhenStale();
  system = await startClusterSystem({ platform: 'vm-operator' });
  await system.startBridge();
  // The tests do not wait for a real delay.
  save('examples/three-tier-app', (text) => text.replaceAll(/delay: \d+s/g, 'delay: 1s'));
}, 180_000);
afterAll(async () => {
  await system.stop();
  rmSync(dir, { recursive: true, force: true });
});

function save(folder: string, change: (text: string) => string): void {
  mkdirSync(path.join(dir, folder), { recursive: true });
  for (const file of readdirSync(path.join(root, folder))) {
    const text = readFileSync(path.join(root, folder, file), 'utf8');
    writeFileSync(path.join(dir, folder, file), change(text));
  }
}

test(
  TUTORIAL,
  async () => {
    await runAll(commandsAfter(TUTORIAL));
    expect(await system.kubectl(['-n', 'production', 'get', 'vm', '-o', 'name'])).toContain('app-server-1');
  },
  180_000,
);

test(
  MIGRATE,
  async () => {
    const saved = blocksOf(MIGRATE).filter((block) => savedAs(block) !== undefined);
    const textAs = (file: string): string => saved.find((block) => savedAs(block) === file)?.text ?? '';
    mkdirSync(path.join(dir, 'shop'));
    writeFileSync(path.join(dir, 'shop/group.yaml'), textAs('shop/group.yaml'));
    const small =
      'apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachineClass\nmetadata: {name: small, namespace: shop}\n' +
      'spec: {hardware: {cpus: 2, memory: 4Gi}}\n';
    await system.apply('shop', `${textAs('shop/virtual-machines.yaml')}\n---\n${small}`);
    const on = ['PoweredOn db', 'PoweredOn web-1', 'PoweredOn web-2'];
    const seen = async (): Promise<string[]> => effects(await system.journal(), 'shop').sort();
    await system.until(async () => ((await seen()).length === on.length ? true : undefined), 'three VMs');
    await runAll(commandsAfter(MIGRATE, '## On a cluster'));
    // No VM was switched off or on again.
    expect(await seen()).toEqual(on);
  },
  120_000,
);

/** The commands of a page after a heading that are for kubectl or vmgroup, and end. */
function commandsAfter(file: string, heading = '# '): Shown[] {
  const from = textOf(file)
    .split('\n')
    .findIndex((line) => line.startsWith(heading));
  return blocksOf(file)
    .filter(({ language, line }) => language === 'console' && line > from)
    .flatMap((block) => commandsOf(file, block))
    .filter(({ words }) => /^(kubectl|vmgroup)$/.test(words[0] ?? ''))
    .filter(({ words }) => !words.some((word) => ENDLESS.has(word)))
    .filter(({ words }) => !words.join(' ').includes('delete namespace'));
}

/** Commands that run until they are stopped. A namespace is deleted by a controller that the test cluster does not have. */
const ENDLESS = new Set(['serve', '-w', 'watch']);
/** What may be asked again. */
const READS = /^(kubectl (-n \S+ )?(get|events)|vmgroup (get|plan|validate|doctor)) /;

async function runAll(commands: Shown[]): Promise<void> {
  expect(commands.length).toBeGreaterThan(4);
  for (const command of commands) await check(command);
}

async function check({ words, output, place }: Shown): Promise<void> {
  const wanted = linesOf(output);
  for (const end = Date.now() + 60_000; ; await sleep(500)) {
    const { code, stdout, stderr } = await run(words);
    const printed = new Set(linesOf(stdout));
    const missing = words[1] === 'describe' ? [] : wanted.filter((line) => !printed.has(line));
    if (code === 0 && missing.length === 0) return;
    if (READS.test(`${words.join(' ')} `) && Date.now() < end) continue;
    expect({ place, code, stdout, stderr, missing }).toEqual({
      place,
      code: 0,
      stdout,
      stderr,
      missing: [],
    });
    return;
  }
}

function run(words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const [program, ...given] = words;
  const args = given.map((word) =>
    /^(examples\/[a-z-]+|shop\/[a-z-]+\.yaml)$/.test(word) ? path.join(dir, word) : word,
  );
  if (program === 'kubectl') return system.cluster.kubectl(args);
  return vmgroup(args, {
    env: {
      KUBECONFIG: system.cluster.kubeconfig(),
      TEMPORAL_ADDRESS: system.temporal.address,
      VMGROUP_SOURCE: 'kubernetes',
      NO_COLOR: '1',
    },
  });
}

/** Lines without what differs from run to run. An event begins with when and how often it was seen. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/^.*? (?=(Normal|Warning) )/, '')
        .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
        .replaceAll(/zone-[abc]/g, 'ZONE')
        .replaceAll(/\d+/g, '#')
        .replaceAll(/(#[smh])+/g, '#')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '' && line !== '...');
}
