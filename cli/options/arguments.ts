/** Parsers of values on the command line. Each throws InvalidArgumentError, which Commander prints with the name of the argument. */
import { Argument, InvalidArgumentError } from 'commander';
import type { ObjectName } from '../../api';

/** `NAMESPACE/NAME` of a group or VM, or `NAME` in the namespace `default`. */
export function parseObjectName(text: string): ObjectName {
  const match = /^(?:([a-z0-9.-]+)\/)?([a-z0-9.-]+)$/.exec(text);
  if (!match?.[2]) throw new InvalidArgumentError('write NAMESPACE/NAME, such as prod/three-tier-app');
  return { namespace: match[1] ?? 'default', name: match[2] };
}

/** The argument `<group>`. */
export function groupArgument(): Argument {
  return new Argument('<group>', 'NAMESPACE/NAME').argParser(parseObjectName);
}

/** The argument `[group]`, of commands that work on all groups without it. */
export function optionalGroupArgument(description = 'NAMESPACE/NAME; default: all'): Argument {
  return new Argument('[group]', description).argParser(parseObjectName);
}

/** Names separated by commas. */
export function parseNames(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const wrong = names.find((name) => !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`${JSON.stringify(wrong)} is not a valid name; write east,west`);
  return names;
}

/** A TCP port; 0 stands for a free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 (any free port) to 65535');
  return port;
}
