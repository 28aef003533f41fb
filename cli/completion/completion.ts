/** Completion scripts for shells, generated from the commands. */
import type { Command } from 'commander';

/** Shells with a script. */
export type Shell = 'bash' | 'zsh' | 'fish';

/** A command, as the scripts complete it. */
interface CompletedCommand {
  /** Words after `vmgroup`, such as `power on`. */
  path: string[];
  description: string;
  subcommands: { name: string; description: string }[];
  options: { flags: string[]; description: string }[];
}

/** The script for a shell. */
export function completionScript(shell: Shell, program: Command): string {
  const commands = collect(program, []);
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      // The script of bash works in zsh once zsh reads its completions.
      return `#compdef vmgroup\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`;
    case 'fish':
      return fish(commands);
  }
}

function collect(command: Command, path: string[]): CompletedCommand[] {
  const subcommands = command.commands.map((sub) => ({ name: sub.name(), description: sub.description() }));
  const options = command.options
    .filter((option) => !option.hidden)
    .map(({ short, long, description }) => ({
      flags: [short, long].filter((flag) => flag !== undefined),
      description,
    }));
  const completed = { path, description: command.description(), subcommands, options };
  return [completed, ...command.commands.flatMap((sub) => collect(sub, [...path, sub.name()]))];
}

function bash(commands: CompletedCommand[]): string {
  const cases = commands.map(({ path, subcommands, options }) => {
    const words = [...subcommands.map(({ name }) => name), ...options.flatMap(({ flags }) => flags)];
    return `    '${path.join(' ')}') words='${words.join(' ')}' ;;`;
  });
  return `_vmgroup() {
  local current="\${COMP_WORDS[COMP_CWORD]}" at='' word words='' known=' ${commands.map(({ path }) => path.join('_')).join(' ')} '
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$known" in *" \${at:+\${at// /_}_}$word "*) at="\${at:+$at }$word" ;; esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _vmgroup vmgroup
`;
}

function fish(commands: CompletedCommand[]): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return commands
    .flatMap(({ path, subcommands, options }) => {
      const when =
        path.length === 0
          ? '__fish_use_subcommand'
          : path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
      return [
        ...subcommands.map(
          ({ name, description }) =>
            `complete -c vmgroup -n ${quote(when)} -a ${quote(name)} -d ${quote(description)}`,
        ),
        ...options.map(({ flags, description }) => {
          const names = flags.map((flag) =>
            flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
          );
          return `complete -c vmgroup -n ${quote(when)} ${names.join(' ')} -d ${quote(description)}`;
        }),
      ];
    })
    .join('\n')
    .concat('\n');
}
