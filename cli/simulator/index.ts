/** `simulator`: the simulated platform as a process of its own, and its console. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { withCluster } from '../connections/cluster';
import type { ClusterOptions } from '../connections/cluster';
import { outputOption, parseGroupName, parsePort } from '../output/output';
import type { Format } from '../output/output';
import { withData } from '../connections/temporal';
import { printJournal, runSimulator, switchMachine } from './simulator';

/** Options of `simulator run`. */
export interface SimulatorRunOptions extends ClusterOptions {
  data: string;
  port: number;
  kubernetes?: true;
}

/** Options of the console. */
export interface ConsoleOptions {
  data: string;
  simulator?: string;
  output: Format;
}

/** Adds the commands. */
export function registerSimulator(program: Command): void {
  const simulator = program
    .command('simulator')
    .description('the simulated platform: run it alone, or work at its console');
  const run = withData(
    simulator.command('run', { isDefault: true }).description('run it until Ctrl-C, on loopback'),
  )
    .argument('[path...]', 'manifests; a SimulatedInventory among them says what it consists of')
    .option('--port <port>', 'port to listen on; 0: a free one', parsePort, 7080)
    .option(
      '--kubernetes',
      "stand in for VM Operator's VM controller: follow the VirtualMachines of an API server, and drive their status",
    );
  withCluster(run).action((paths: string[], options: SimulatorRunOptions) => runSimulator(paths, options));
  withConsole(simulator.command('power').description("change a VM's power state behind its group's back"))
    .addArgument(new Argument('<state>').choices(['on', 'off', 'suspend']))
    .addArgument(new Argument('<vm>', 'NAMESPACE/NAME').argParser(parseGroupName))
    .action(
      (state: 'on' | 'off' | 'suspend', vm: { namespace: string; name: string }, options: ConsoleOptions) =>
        switchMachine(state, vm, options),
    );
  withConsole(simulator.command('journal').description('print every call that it got, and every effect'))
    .addOption(outputOption(['table', 'json']))
    .action((options: ConsoleOptions) => printJournal(options));
}

function withConsole(command: Command): Command {
  return withData(command).option(
    '--simulator <address>',
    'address of the simulator (default: that of a running vmgroup up)',
  );
}
