/** `vmgroup simulator power` and `journal`: the console of a running simulator. */
import type { ObjectName } from '../../api';
import type { JournalLine, SimulatorConsole } from '../../platforms/simulated';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError, EXIT, messageOf } from '../errors';
import * as lazy from '../lazy';
import type { Format } from '../options';
import { jsonText, print, printData, printLine, printNote, table } from '../output';

/** Options of the console. */
export interface ConsoleOptions {
  /** Path of the data folder. */
  data: string;
  /** Address of the simulator. */
  simulator?: string;
  output: Format;
}

/** A power state on the command line. */
export type PowerWord = 'on' | 'off' | 'suspend';

const POWER_STATE = { on: 'PoweredOn', off: 'PoweredOff', suspend: 'Suspended' } as const;

/** Most lines of the journal in a table. */
const MOST_LINES = 10_000;

/**
 * Changes a VM's power state.
 *
 * @throws CliError if no simulator answers, or it refuses.
 */
export async function switchMachine(
  state: PowerWord,
  vm: ObjectName,
  options: ConsoleOptions,
): Promise<void> {
  const powerState = POWER_STATE[state];
  await withConsole(options, async (console) => {
    await console.power(vm, powerState);
  });
  printLine(`${vm.namespace}/${vm.name} is ${powerState} on the simulated platform`);
}

/** Prints the journal: all of it as JSON, or its last {@link MOST_LINES} lines as a table. Throws as {@link switchMachine}. */
export async function printJournal(options: ConsoleOptions): Promise<void> {
  if (options.output === 'json') {
    await withConsole(options, async (console) => {
      for await (const line of console.journalLines()) printData(`${jsonText(line)}\n`);
    });
    return;
  }
  const lines: JournalLine[] = [];
  await withConsole(options, async (console) => {
    for await (const line of console.journalLines()) {
      lines.push(line);
      if (lines.length > MOST_LINES) lines.shift();
    }
  });
  const [first] = lines;
  if (first && first.n > 1)
    printNote(`only the last ${MOST_LINES} lines are shown; -o json prints all of them`);
  print(options.output, lines, journalTable);
}

function journalTable(lines: JournalLine[]): string {
  return table<JournalLine>(
    [
      { head: 'N', of: ({ n }) => n },
      { head: 'TIME', of: ({ at }) => new Date(at).toISOString() },
      { head: 'WHAT', of: ({ type }) => type },
      { head: 'VM', of: (line) => ('vm' in line ? line.vm : undefined) },
      { head: 'OPERATION', of: (line) => ('operation' in line ? line.operation : undefined) },
      { head: 'RESULT', of: resultOf },
      { head: 'CALLER', of: (line) => ('caller' in line ? line.caller : undefined) },
    ],
    lines,
  );
}

/** The answer to a call, the effect, or the failure of an operation. */
function resultOf(line: JournalLine): string | undefined {
  if ('answer' in line) return line.answer;
  if (line.type === 'effect') return line.effect;
  if (line.type === 'release')
    return `${line.vms.filter(({ answer }) => answer === 'Released').length} released`;
  return line.type === 'failed' ? `${line.class}: ${line.message}` : undefined;
}

async function withConsole(
  options: ConsoleOptions,
  work: (console: SimulatorConsole) => Promise<void>,
): Promise<void> {
  const folder = dataFolder(options.data);
  const address = options.simulator ?? readLiveRecord(folder)?.simulator?.address;
  if (address === undefined) {
    throw new CliError(`no simulator runs on ${folder.dir}`, [
      'start vmgroup up or vmgroup simulator, or name a running one: --simulator ADDRESS',
    ]);
  }
  const console = new (lazy.simulated().SimulatorConsole)(address);
  try {
    await work(console);
  } catch (error: unknown) {
    throw new CliError(`the simulator at ${address} failed: ${messageOf(error)}`, [], {
      exitCode: EXIT.failed,
    });
  } finally {
    console.close();
  }
}
