/** The documents as the tests read them: fenced blocks, commands in them, links, headings. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(__dirname, '../..');

/** Every document, as a path from the root of the repository. */
export const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.join('docs', file)),
];

/** The folders of the product's code. */
export const codeFolders = [
  ...['api', 'limits', 'contract', 'insight', 'placement', 'kubernetes', 'http', 'files', 'workflows'],
  ...['platforms', 'simulator', 'activities', 'bridge', 'record', 'board', 'worker', 'cli'],
];

/** The product's code as one text. */
export function codeText(): string {
  return codeFolders
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => textOf(path.join(folder, file))),
    )
    .join('\n');
}

/** The text of a file of the repository. */
export function textOf(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

/** A fenced block. */
export interface Block {
  /** First word after the fence. */
  language: string;
  /** The words after it. A block `file=PATH` is saved under that path; `invalid` and `fragment KIND` say what its manifest is. */
  words: string[];
  text: string;
  /** Line of the fence, from 1. */
  line: number;
}

/** The fenced blocks of a document, in order. */
export function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [index, line] of textOf(file).split('\n').entries()) {
    const fence = /^```(.*)$/.exec(line);
    if (fence && open) {
      blocks.push(open);
      open = undefined;
    } else if (fence) {
      const [language = '', ...words] = (fence[1] ?? '').trim().split(/\s+/);
      open = { language, words, text: '', line: index + 1 };
    } else if (open) open.text += `${line}\n`;
  }
  return blocks;
}

/** The path under which a block is to be saved. */
export function savedAs(block: Block): string | undefined {
  return block.words.find((word) => word.startsWith('file='))?.slice('file='.length);
}

/** A command of a `console` block with what is shown below it. */
export interface Shown {
  words: string[];
  output: string;
  /** `FILE:LINE`, for messages. */
  place: string;
}

/** The commands of a block. */
export function commandsOf(file: string, block: Block): Shown[] {
  const commands: Shown[] = [];
  for (const [index, line] of block.text.split('\n').entries()) {
    const last = commands.at(-1);
    if (line.startsWith('$ ')) {
      commands.push({ words: split(line.slice(2)), output: '', place: `${file}:${block.line + 1 + index}` });
    } else if (last) last.output += `${line}\n`;
  }
  return commands.map((command) => ({ ...command, output: command.output.replace(/\n$/, '') }));
}

/** Words of a command line, with the quotes that a shell takes off. */
function split(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|[^\s"']+/g)].map(
    ([word, double, single]) => double ?? single ?? word,
  );
}

/** The links of a document that lead to files, outside of code. */
export function linksOf(file: string): string[] {
  const prose = textOf(file)
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/`[^`\n]*`/g, 'code');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^https?:/.test(target));
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(file: string): string[] {
  return [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

/** The code spans of a document: what stands between backquotes. */
export function codeOf(file: string): string[] {
  return [...textOf(file).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** The files that register our metrics. */
export const METRIC_FILES = ['expected-ends', 'health', 'run-metrics', 'state-metrics'].map(
  (name) => `worker/${name}.ts`,
);
