/** Options of a board: `vmgroup board` has them as they are, the processes with a bridge by the prefix `board-`. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { parsePort } from './arguments';

/** Names under which browsers may reach a board, and the Temporal UI that it links to. */
export interface BoardLinkOptions {
  /** Names besides IP addresses and `localhost`. */
  allowHost?: string[];
  /** Address of the Temporal UI. */
  temporalUi?: string;
}

/** Options of `vmgroup board`. */
export interface BoardOptions extends BoardLinkOptions {
  port: number;
  host: string;
}

/** Adds `--port`, `--host`, and those of {@link withBoardLinks}. */
export function withBoard(command: Command): Command {
  return withBoardLinks(
    command
      .addOption(boardPortOption('--port', 'port of the board; 0: any free port').default(7090))
      .addOption(boardHostOption('--host')),
  );
}

/** The port of a board, under the name that a command gives the option. */
export function boardPortOption(flag: `--${string}`, description: string): Option {
  return new Option(`${flag} <port>`, description).argParser(parsePort).env('VMGROUP_BOARD_PORT');
}

/** The address of a board, under the name that a command gives the option. */
export function boardHostOption(flag: `--${string}`): Option {
  return new Option(`${flag} <address>`, 'address on which the board listens')
    .env('VMGROUP_BOARD_HOST')
    .default('127.0.0.1');
}

/** Adds `--allow-host` and `--temporal-ui`. */
export function withBoardLinks(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--allow-host <names>',
        'names under which browsers reach the board, separated by commas; IP addresses and localhost always work',
      )
        .argParser((text) => text.split(',').map((name) => name.trim()))
        .env('VMGROUP_BOARD_ALLOW_HOST'),
    )
    .addOption(
      new Option(
        '--temporal-ui <url>',
        'Temporal UI that the board links to (default: that of a running vmgroup up)',
      )
        .argParser(parseHttpUrl)
        .env('VMGROUP_TEMPORAL_UI'),
    );
}

function parseHttpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new InvalidArgumentError('write an address such as https://temporal.example.com');
  return text.replace(/\/+$/, '');
}
