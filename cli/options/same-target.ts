/** Suggested commands that reach the groups of the command line that suggests them. Pure. */

/** Options that say where groups and runs are. */
const TARGET = ['data', 'temporal', 'namespace', 'source', 'kubeconfig', 'context'] as const;

type Target = (typeof TARGET)[number];

const CLUSTER = ['source', 'kubeconfig', 'context'] as const;

/** Commands that are suggested and do not take all of them. */
const TAKES = new Map<string, readonly Target[]>(
  Object.entries({
    doctor: ['data', 'temporal', 'namespace', 'kubeconfig', 'context'],
    export: ['data', 'temporal', 'namespace'],
    'get runs': ['data', 'temporal', 'namespace'],
    'get vms': ['data', ...CLUSTER],
    power: ['data', ...CLUSTER],
    report: ['data', 'temporal', 'namespace'],
    serve: ['data', 'temporal', 'namespace', ...CLUSTER],
    // Suggested where no server answers: it starts one.
    up: ['data'],
    validate: CLUSTER,
    worker: ['data', 'temporal', 'namespace', 'kubeconfig', 'context'],
  }),
);

/** Commands that are suggested and take all of them. */
const TAKES_ALL = new Set([
  ...['abort', 'answer', 'board', 'describe', 'diff', 'get groups', 'mark-ready', 'pause', 'plan'],
  ...['resume', 'retry', 'skip', 'skip-delay', 'watch', 'why'],
]);

/** A command at the end of a text: alone, or after words that lead to it. No prose follows it. */
const SUGGESTED = /^(?:.*(?:: |follow it with ))?vmgroup ((?:(?:get|power) )?[a-z-]+)(?: (?!.*, )[^\n]*)?$/;

/**
 * Adds to a text that ends with a `vmgroup` command the options of a command line that say where groups and runs are,
 * if that command takes them and does not have them. Any other text is returned as it is.
 */
export function onSameTarget(text: string, argv: readonly string[]): string {
  const command = SUGGESTED.exec(text)?.[1];
  if (command === undefined) return text;
  const taken = takenBy(command.replace(/^power .*/, 'power'));
  const flags = [...givenTarget(argv)]
    .filter(([name]) => taken.includes(name) && !new RegExp(` --${name}[ =]`).test(text))
    .map(([name, value]) => ` --${name} ${quoted(value)}`);
  return text + flags.join('');
}

/** The options of {@link TARGET} that a suggested command takes. */
export function takenBy(command: string): readonly Target[] {
  return TAKES_ALL.has(command) ? TARGET : (TAKES.get(command) ?? []);
}

/** The commands that may be suggested, for the test that compares them with the program. */
export const SUGGESTIBLE: readonly string[] = [...TAKES_ALL, ...TAKES.keys()];

function givenTarget(argv: readonly string[]): Map<Target, string> {
  const given = new Map<Target, string>();
  for (const [at, word] of argv.entries()) {
    if (word === '--') break;
    const [, flag, value = argv[at + 1]] = /^--([a-z]+)(?:=(.*))?$/s.exec(word) ?? [];
    const name = TARGET.find((each) => each === flag);
    if (name !== undefined && value !== undefined) given.set(name, value);
  }
  return given;
}

/** A word as a shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
