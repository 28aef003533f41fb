/** `vmgroup simulator`: its options. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ObjectName } from '../../api';
import { outputOption, parseObjectName, parsePort, withCluster, withData } from '../options';
import type * as Console from './console';
import type * as Run from './run';

const run = (): typeof Run => require('./run') as typeof Run;
const atConsole = (): typeof Console => require('./console') as typeof Console;

/** Adds the commands. */
export function registerSimulator(program: Command): void {
  const simulator = program
    .command('simulator')
    .description('the simulated platform: run it on its own, or use its console');
  withCluster(
    withData(
      simulator.command('run', { isDefault: true }).description('run it until Ctrl-C, on loopback'),
      'folder in which it keeps its journal',
    )
      .argument('[path...]', 'manifests; a SimulatedInventory among them defines its hosts')
      .option('--port <port>', 'port to listen on; 0: any free port', parsePort, 7080)
      .option(
        '--kubernetes',
        "stand in for VM Operator's VM controller: follow the VirtualMachines of an API server, and write their status",
      )
      .option(
        '--group-controller',
        "with --kubernetes: stand in for VM Operator's group controller too, to try vmgroup alongside it",
      ),
  ).action((paths: string[], options: Run.SimulatorRunOptions) => run().runSimulator(paths, options));
  withConsole(
    simulator.command('power').description("change a VM's power state without the knowledge of its group"),
  )
    .addArgument(new Argument('<state>').choices(['on', 'off', 'suspend']))
    .addArgument(new Argument('<vm>', 'NAMESPACE/NAME').argParser(parseObjectName))
    .action((state: Console.PowerWord, vm: ObjectName, options: Console.ConsoleOptions) =>
      atConsole().switchMachine(state, vm, options),
    );
  withConsole(simulator.command('journal').description('print every call that it received, and every effect'))
    .addOption(outputOption(['table', 'json']))
    .action((options: Console.ConsoleOptions) => atConsole().printJournal(options));
}

function withConsole(command: Command): Command {
  return withData(command).option(
    '--simulator <address>',
    'address of the simulator (default: that of the process on the data folder)',
  );
}
