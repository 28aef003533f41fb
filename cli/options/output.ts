/** The option `-o, --output`. */
import { Option } from 'commander';

/** Output formats. */
export type Format = 'table' | 'wide' | 'json' | 'yaml';

/** `-o, --output`; the first format is the default. */
export function outputOption(formats: readonly string[] = ['table', 'wide', 'json', 'yaml']): Option {
  return new Option('-o, --output <format>', 'output format').choices(formats).default(formats[0]);
}
