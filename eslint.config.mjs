import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';
import { builtinModules } from 'node:module';
import { uncheckedLookup } from './scripts/lint-lookup.mjs';

/** Who may import whom: the table of the design. A folder's front doors are the only way in. */
const doors = {
  limits: ['limits'],
  api: ['api', 'api/duration', 'api/later', 'api/own', 'api/text', 'api/unknown'],
  placement: ['placement'],
  kubernetes: ['kubernetes'],
  http: ['http'],
  encryption: ['encryption'],
  files: ['files', 'files/atomic-file'],
  contract: ['contract'],
  insight: ['insight'],
  workflows: ['workflows'],
  platforms: [
    'platforms',
    'platforms/simulated',
    'platforms/vm-operator',
    'platforms/vsphere',
    'platforms/libvirt',
    'platforms/kubevirt',
  ],
  simulator: ['simulator'],
  activities: ['activities'],
  // The others load nothing of Temporal.
  bridge: ['bridge', 'bridge/source', 'bridge/manifests', 'bridge/plans', 'bridge/status'],
  record: ['record'],
  board: ['board'],
  worker: ['worker', 'worker/tracing'],
  cli: ['cli'],
};
const table = {
  limits: { may: [] },
  api: { may: [] },
  kubernetes: { may: ['limits'] },
  http: { may: [] },
  files: { may: [] },
  encryption: { may: ['http'] },
  placement: { may: ['api'] },
  contract: { may: ['api'], noBuiltins: true },
  insight: { may: ['api', 'contract'] },
  workflows: { may: ['api', 'contract'], noBuiltins: true },
  platforms: { may: ['api', 'contract', 'limits', 'placement', 'kubernetes'] },
  simulator: { may: ['api', 'contract', 'placement', 'kubernetes', 'http', 'files', 'platforms'] },
  activities: { may: ['api', 'contract', 'limits', 'platforms'] },
  bridge: { may: ['api', 'contract', 'insight', 'placement', 'kubernetes', 'http', 'files'] },
  record: { may: ['api', 'contract', 'files'] },
  board: { may: ['api', 'contract', 'insight', 'http', 'record'] },
  worker: {
    may: [
      'api',
      'placement',
      'kubernetes',
      'http',
      'encryption',
      'workflows',
      'contract',
      'insight',
      'platforms',
      'activities',
      'bridge',
    ],
  },
  cli: {
    may: [
      'api',
      'limits',
      'placement',
      'kubernetes',
      'files',
      'encryption',
      'workflows',
      'contract',
      'insight',
      'platforms',
      'simulator',
      'activities',
      'bridge',
      'record',
      'board',
      'worker',
    ],
  },
};

/** The regular expression of every path into one of our folders that is not one of the allowed doors. */
function fence(folder, allowed) {
  const open = allowed.flatMap((name) => doors[name]).join('|');
  const others = Object.keys(table).filter((name) => name !== folder);
  return `^(\\.\\./)+(?!(${open || '-'})$)(${others.join('|')})(/|$)`;
}

function fenceFor(folder, { may, noBuiltins = false }) {
  const patterns = [
    {
      regex: fence(folder, may),
      message: `${folder}/ may import ${may.join(', ') || 'nothing of ours'}, through the front door.`,
    },
  ];
  if (noBuiltins) {
    patterns.push({
      regex: `^(node:.*|${builtinModules.filter((name) => !name.startsWith('_')).join('|')})$`,
      message: 'Workflow code runs in a deterministic sandbox: no Node built-ins.',
    });
  }
  return {
    files: [`${folder}/**/*.ts`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
}

/** A function that combines signals and makes time-outs. */
const LOST_TIMEOUT = {
  selector:
    ":function:has(MemberExpression[object.name='AbortSignal'][property.name='any']):has(MemberExpression[object.name='AbortSignal'][property.name='timeout'])",
  message:
    'Write limited(MILLISECONDS, SIGNAL) of limits/signals.ts: Node 20 collects a time-out that only AbortSignal.any knows.',
};

/** Properties of a literal that is spread are not checked against the type. */
const SPREAD_LITERAL = {
  selector: 'ObjectExpression > SpreadElement > ObjectExpression',
  message: 'Write the properties themselves.',
};

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'node_modules/', '.vmgroup/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        // What is taken out of an object to leave the rest.
        { argsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
    },
  },
  ...Object.entries(table).map(([folder, rule]) => fenceFor(folder, rule)),
  {
    // A function fits on a screen, a file is read in one go.
    files: Object.keys(table).map((folder) => `${folder}/**/*.ts`),
    rules: {
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 20],
    },
  },
  {
    // A time limit ends also after a garbage collection.
    files: Object.keys(table).map((folder) => `${folder}/**/*.ts`),
    ignores: ['limits/signals.ts'],
    rules: { 'no-restricted-syntax': ['error', LOST_TIMEOUT, SPREAD_LITERAL] },
  },
  {
    // The planner and the workflow know only the time that Temporal gives them, and no randomness.
    files: ['workflows/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', { object: 'Math', property: 'random' }],
      'no-restricted-syntax': [
        'error',
        SPREAD_LITERAL,
        {
          selector:
            "NewExpression[callee.name='Map'], NewExpression[callee.name='Set'], NewExpression[callee.name='Date']",
          message: 'State of a run is plain JSON: Map, Set and Date do not survive continue-as-new.',
        },
      ],
    },
  },
  {
    // The workflow tells the planner the time, which is Temporal's.
    files: ['workflows/**/*.ts'],
    ignores: ['workflows/driver/**'],
    rules: {
      'no-restricted-globals': ['error', { name: 'Date', message: 'The planner is given the time.' }],
    },
  },
  {
    // One variable scales all property tests.
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        SPREAD_LITERAL,
        {
          selector: "Property[key.name='numRuns']:not([value.callee.name='propertyRuns'])",
          message: 'Write propertyRuns(N) of test/support/property-runs.ts.',
        },
      ],
    },
  },
  {
    // Names of VMs, labels and namespaces are keys.
    files: Object.keys(table).map((folder) => `${folder}/**/*.ts`),
    ignores: ['api/own.ts'],
    plugins: { vmgroup: { rules: { 'unchecked-lookup': uncheckedLookup } } },
    rules: { 'vmgroup/unchecked-lookup': 'error' },
  },
  { files: ['bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['cli/**/*.ts'],
    ignores: ['cli/output/terminal.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        LOST_TIMEOUT,
        SPREAD_LITERAL,
        {
          selector: "MemberExpression[property.name='write'][object.property.name=/^std(out|err)$/]",
          message: 'Print with cli/output/terminal.ts: what others wrote must not steer the terminal.',
        },
      ],
    },
  },
  {
    // The front door of a command loads its action when the command runs.
    files: ['cli/*/index.ts'],
    rules: { '@typescript-eslint/no-require-imports': ['error', { allow: ['^\\./[a-z-]+$'] }] },
  },
  {
    // What few processes need is loaded when they need it.
    files: ['kubernetes/client-node.ts', 'kubernetes/connect.ts', 'api/expression.ts'],
    rules: {
      '@typescript-eslint/no-require-imports': [
        'error',
        { allow: ['^@kubernetes/client-node$', '^\\./api-server$', '^re2js$'] },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        module: 'writable',
        console: 'readonly',
        require: 'readonly',
        __dirname: 'readonly',
      },
    },
  },
);
