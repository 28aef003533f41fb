/** The alert rules and the dashboard of `deploy/monitoring` fit the metrics that there are, and the reference. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { METRIC_FILES, textOf, root } from '../docs/documents';
import { ALERT_CASES, promtoolTest } from './alerts';

const RULES = 'deploy/monitoring/rules.yaml';
const PAGE = 'docs/reference/metrics.md';
const METRIC = /\b(?:vmgroup|temporal)_\w+/g;

interface Rules {
  groups: { rules: { alert: string; expr: string; for: string }[] }[];
}

const rules = (parse(textOf(RULES)) as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(textOf('deploy/monitoring/dashboard.json')) as {
  panels: { title: string; targets: { expr: string }[] }[];
};
const panels = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

/** Names of our metrics, as the code registers them, and of the SDK's that the reference has. */
const known = new Set([
  ...(METRIC_FILES.map(textOf).join().match(METRIC) ?? []),
  ...(textOf(PAGE).split('## Alerts')[0]?.match(METRIC) ?? []),
]);

test('rules and panels name metrics that exist', () => {
  const named = [...rules.map(({ expr }) => expr), ...panels].flatMap((expr) => expr.match(METRIC) ?? []);
  const bare = named.map((name) => name.replace(/_(bucket|count|sum)$/, ''));
  expect(bare.length).toBeGreaterThan(20);
  expect([...new Set(bare)].filter((name) => !known.has(name))).toEqual([]);
});

test('the rules are those of the reference, with the same times', () => {
  const rows = textOf(PAGE)
    .split('## Alerts')[1]
    ?.split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')));
  const shown = rows?.map(([, , expr = '', time = '']) => `${expr.replaceAll('`', '')} for ${time}`);
  expect(rules.map(({ expr, for: time }) => `${expr} for ${time}`)).toEqual(shown);
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('each alert has a case in which it fires', () => {
  const fired = new Set(ALERT_CASES.flatMap(({ fires }) => fires));
  expect([...fired].sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const withPromtool = hasPromtool ? test : test.skip;
/** What is skipped says why. */
const why = hasPromtool ? '' : ' (skipped: there is no promtool, of the Debian package prometheus)';

withPromtool(`promtool accepts the rules${why}`, () => {
  expect(promtool('check', 'rules', RULES)).toMatchObject({ status: 0 });
});

withPromtool.each(ALERT_CASES)(`alerts: $name${why}`, (each) => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'alerts-')), 'case.yaml');
  writeFileSync(file, stringify(promtoolTest(each, path.join(root, RULES))));
  expect(promtool('test', 'rules', file)).toMatchObject({ status: 0 });
  rmSync(path.dirname(file), { recursive: true });
});

function promtool(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: root, encoding: 'utf8' });
  return { status, stdout, stderr };
}
