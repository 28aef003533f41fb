/** Every command of `vmgroup`, with its arguments and help. What a command does is in a file of its own. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { registerDoctor } from './doctor';
import { registerManifests, registerPower } from './commands/manifests';
import { registerRuns } from './export';
import { registerServe } from './serve';
import { registerSimulator } from './simulator';
import { registerUp } from './up';
import { registerViews } from './get';
import { registerWords } from './operator-commands';

const EXIT_CODES = `
Exit codes:
  0    done; with --exit-when-converged: every group converged
  1    failed, or something is wrong; with --exit-when-converged: a run failed
  2    --exit-when-converged: converged, but for members that were left as they are
  64   the command line is wrong
  130  stopped by Ctrl-C before it was done

Environment:
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS*   as Temporal's own tools read them
  VMGROUP_TEMPORAL_CLI   path of Temporal's command line tool, for vmgroup up
  VMGROUP_DATA           default of --data
  VMGROUP_DEBUG          set to anything: errors come with their stack
  NO_COLOR               no colours
`;

/** Builds the program. */
export function buildProgram(): Command {
  const program = new Command('vmgroup')
    .description(
      'Starts, stops and fails over groups of virtual machines in order, as durable Temporal workflows.',
    )
    .version(version(), '-V, --version')
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(add --help for all options)')
    // Commands inherit this: an error of the command line is thrown to `main`, which gives it an exit code of its own.
    .exitOverride();
  const sections: [string, ((program: Command) => void)[]][] = [
    ['Start here:', [registerUp, registerManifests]],
    ['See:', [registerViews]],
    ['Steer:', [registerPower, registerWords]],
    ['Evidence:', [registerRuns]],
    ['Processes:', [registerServe, registerSimulator]],
    ['Set-up:', [registerDoctor]],
  ];
  for (const [heading, registers] of sections) {
    program.commandsGroup(heading);
    for (const register of registers) register(program);
  }
  return program;
}

/** The version in package.json, which is one folder up from here in a clone and two from the compiled command. */
function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(path.join(__dirname, up), 'utf8')) as Record<
        string,
        string
      >;
      if (name === 'vmgroup' && version) return version;
    } catch {
      continue;
    }
  }
  return '0.0.0';
}
