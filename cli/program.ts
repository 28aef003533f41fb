/** The program `vmgroup`, with every command. A command's action is loaded when it runs. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { registerCodec } from './codec';
import { registerBoard } from './board';
import { registerCompletion } from './completion';
import { registerCrds } from './crds';
import { registerDiff } from './diff';
import { registerDoctor } from './doctor';
import { registerExport } from './export';
import { registerGet } from './get';
import { registerImport } from './import';
import { registerOperatorCommands } from './operator-commands';
import { printError, printText } from './output/terminal';
import { registerPlan } from './plan';
import { registerPower } from './power';
import { registerRecord } from './record';
import { registerReport } from './report';
import { registerServe } from './serve';
import { registerSimulator } from './simulator';
import { registerUp } from './up';
import { registerValidate } from './validate';
import { registerWhy } from './why';

/** Adds commands to a program. */
type Register = (program: Command) => void;

const SECTIONS: readonly (readonly [heading: string, registers: readonly Register[]])[] = [
  ['Start here:', [registerUp, registerValidate, registerPlan, registerDiff]],
  ['Show:', [registerGet, registerWhy, registerBoard]],
  ['Operate:', [registerPower, registerOperatorCommands]],
  ['Evidence:', [registerReport, registerExport, registerRecord]],
  ['Processes:', [registerServe, registerSimulator, registerCodec]],
  ['Set-up:', [registerDoctor, registerImport, registerCrds, registerCompletion]],
];

const EXIT_CODES = `
Exit codes:
  0    success; with --exit-when-converged: every group converged
  1    failure, or a problem was found; with --exit-when-converged: a run failed or was stopped, or a manifest is invalid
  2    --exit-when-converged: converged, except for members that were left as they are
  64   invalid command line
  130  stopped by Ctrl-C before it was done

Environment:
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS*   as Temporal's own tools read them
  VMGROUP_TEMPORAL_CLI     path of Temporal's command line tool, for vmgroup up
  VMGROUP_DATA             default of --data
  VMGROUP_ENCRYPTION_KEYS  folder of keys; if set, what Temporal stores of runs is encrypted
  VMGROUP_DEBUG            if set, unexpected errors are printed with their stack
  NO_COLOR                 if set, there are no colours
Other variables are defaults of options: the help of each command names them.
`;

/** Builds the program. */
export function buildProgram(): Command {
  const program = new Command('vmgroup')
    .description(
      'Starts, stops and fails over groups of virtual machines in order, as durable Temporal workflows.',
    )
    .version(version(), '-V, --version')
    .addHelpText('after', EXIT_CODES)
    .configureOutput({ writeOut: printText, writeErr: printError })
    .showHelpAfterError('(add --help for all options)')
    // Commands inherit this: an invalid command line is thrown to `main`, which gives it an exit code of its own.
    .exitOverride();
  for (const [heading, registers] of SECTIONS) {
    program.commandsGroup(heading);
    for (const register of registers) register(program);
  }
  return program;
}

/** The version in package.json, one folder up in a clone and two folders up in `dist/`. */
function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(path.join(__dirname, up), 'utf8');
      const { name, version } = JSON.parse(text) as Record<string, string>;
      if (name === 'vmgroup' && version) return version;
    } catch {
      continue;
    }
  }
  return '0.0.0';
}
