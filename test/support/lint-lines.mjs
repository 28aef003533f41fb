/**
 * Lints lines given as JSON on standard input, each as the whole text of its file; prints the rules that object to each. Types are those of
 * the line alone: with the rest of the project it takes four times as long.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import ts from 'typescript';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const options = { target: ts.ScriptTarget.ES2022, strict: true, noResolve: true, types: [] };
const host = ts.createCompilerHost(options);
const onDisk = host.getSourceFile;
/** By name; the libraries of TypeScript are parsed once. */
const parsed = new Map();

function programOf(file, text) {
  parsed.set(file, ts.createSourceFile(file, text, options.target, true));
  host.getSourceFile = (name, ...rest) => {
    if (!parsed.has(name)) parsed.set(name, onDisk(name, ...rest));
    return parsed.get(name);
  };
  return ts.createProgram([file], options, host);
}

const results = [];
for (const { file, line } of JSON.parse(readFileSync(0, 'utf8'))) {
  const filePath = path.join(root, file);
  const text = `${line}\n`;
  const parserOptions = { projectService: false, programs: [programOf(filePath, text)] };
  const eslint = new ESLint({ cwd: root, overrideConfig: { languageOptions: { parserOptions } } });
  const [result] = await eslint.lintText(text, { filePath });
  results.push(result.messages.map(({ ruleId }) => ruleId ?? 'none'));
}
process.stdout.write(JSON.stringify(results));
