/** `vmgroup codec`: its options. */
import { Option, type Command } from 'commander';
import { parsePort } from '../options';
import type * as Codec from './codec';

const action = (): typeof Codec => require('./codec') as typeof Codec;

/** Adds the command. */
export function registerCodec(program: Command): void {
  program
    .command('codec')
    .description("decrypt encrypted runs for Temporal's UI and command line, until Ctrl-C")
    .addOption(
      new Option('--keys <folder>', 'folder of the keys')
        .env('VMGROUP_ENCRYPTION_KEYS')
        .makeOptionMandatory(),
    )
    .option('--port <port>', 'port to listen on; 0: any free port', parsePort, 8081)
    .option('--host <address>', 'address to listen on; beyond loopback only with --token-file', '127.0.0.1')
    .option(
      '--ui-origin <origin...>',
      "origins of the web pages that may ask: the address of Temporal's UI",
      ['http://localhost:8233', 'http://127.0.0.1:8233'],
    )
    .option('--token-file <file>', 'file with the token that clients send as Authorization: Bearer TOKEN')
    .action((options: Codec.CodecOptions) => action().runCodec(options));
}
