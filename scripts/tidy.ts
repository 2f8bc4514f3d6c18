/**
 * The project's own rules, which types and formatting do not see: layers, sizes, dead files,
 * banned words, names, and paths in the docs that lead nowhere. test/tidy.test.ts runs them on
 * the tree and shows that each of them can fail.
 * Usage: bun scripts/tidy.ts. A rule is a function from files to problems; it reads no disk.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

export interface SourceFile {
  /** From the project's root, with slashes. */
  path: string;
  text: string;
}

export interface Problem {
  path: string;
  /** Counts from 1; 1 as well for what concerns the whole file. */
  line: number;
  message: string;
}

/** From the bottom up. Imports go down, or sideways as long as no two folders import each other. */
const layers: readonly (readonly string[])[] = [
  ["protocol", "version.ts"],
  ["crypto", "ring", "config"],
  ["store", "negentropy", "policy"],
  ["workers", "mesh", "http"],
  ["cli"],
  ["server.ts"],
];

/** Where threads start: nobody imports these. */
const roots = ["src/server.ts", "src/workers/worker.ts", "src/workers/import-worker.ts"];

const functionLinesMax = 70;
const fileLinesMax = 400;
const testLinesMax = 600;
const lineColumnsMax = 100;

// Sizes

export function checkFileLength({ path, text }: SourceFile): Problem[] {
  const max = path.startsWith("test/") ? testLinesMax : fileLinesMax;
  const count = text.trimEnd().split("\n").length;
  return count <= max ? [] : [{ path, line: 1, message: `${count} lines, at most ${max}` }];
}

/** URLs and the hex of test vectors cannot be broken, so their lines may be longer. */
export function checkLineLength({ path, text }: SourceFile): Problem[] {
  return findLines(text, (line) => {
    const columns = [...line].length;
    if (columns <= lineColumnsMax || /https?:\/\/|[0-9a-f]{64}/i.test(line)) return null;
    return `${columns} columns, at most ${lineColumnsMax}`;
  }).map((found) => ({ path, ...found }));
}

const functionStart = new RegExp(
  [
    /^\s*(export )?(async )?function\b/, // function f(
    /^\s+((static|async|get|set|override|private|public|protected) )*[*#]?\w+(<.*>)?\(.*[({]$/,
    /=> \{$/, // const f = () => {
  ]
    .map((part) => part.source)
    .join("|"),
);
const controlStart = /^\s*(if|for|while|switch|catch|with|return|await|else)\b/;

/** Counts from the line a function starts on to its brace: `bun fmt` puts both at one indent. */
export function checkFunctionLength({ path, text }: SourceFile): Problem[] {
  if (!path.startsWith("src/")) return [];
  const lines = text.split("\n");
  const problems: Problem[] = [];
  for (const [index, line] of lines.entries()) {
    if (!functionStart.test(line)) continue;
    if (controlStart.test(line) && !line.endsWith("=> {")) continue;
    const count = countToClosingBrace(lines, index);
    if (count === null || count <= functionLinesMax) continue;
    const message = `function of ${count} lines, at most ${functionLinesMax}`;
    problems.push({ path, line: index + 1, message });
  }
  return problems;
}

/** Null for what only looks like a function: a call, or a signature without a body. */
function countToClosingBrace(lines: string[], start: number): number | null {
  const indent = indentOf(lines[start] ?? "");
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (line.trim() === "" || indentOf(line) > indent) continue;
    // `): Promise<void> {` or `}: Options): void {` ends the parameters and opens the body.
    if (/^\s*[)}\]].*\{$/.test(line)) continue;
    return /^\s*\}/.test(line) ? index - start + 1 : null;
  }
  return null;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

// Words and names

// A letter in brackets keeps these lines from finding themselves.
const wordsAnywhere: [RegExp, string][] = [
  [/\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b/, "unfinished work belongs in the tracker"],
  [/@ts-ignor[e]/, "use @ts-expect-error with a reason, or mend the type"],
];
const wordsInCode: [RegExp, string][] = [
  [/\bas an[y]\b|: an[y]\b|<an[y]\b|\ban[y]\[\]/, "`any` is banned: use unknown and narrow it"],
  [/\.onl[y]\(/, "a focused test hides the others"],
  [/\.ski[p]\(|\btest\.tod[o]\b/, "a test runs, or says with skipIf when it cannot"],
  [/^export defaul[t]\b/, "no default exports"],
];

export function checkWords({ path, text }: SourceFile): Problem[] {
  const mayPrint = !path.startsWith("src/") || path.startsWith("src/cli/");
  return findLines(text, (line) => {
    const code = stripProse(line);
    for (const [pattern, message] of wordsAnywhere) if (pattern.test(line)) return message;
    for (const [pattern, message] of wordsInCode) if (pattern.test(code)) return message;
    if (!mayPrint && /\bconsole\.log\(/.test(code)) return "only src/cli prints";
    return null;
  }).map((found) => ({ path, ...found }));
}

/** Without comments and the contents of one-line strings, which may say what code may not. */
function stripProse(line: string): string {
  if (/^\s*(\/\/|\/\*|\*)/.test(line)) return "";
  return line.replace(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '""').replace(/\s\/\/ .*$/, "");
}

export function checkName({ path }: SourceFile): Problem[] {
  const name = basename(path).replace(/\.\w+$/, "");
  const vague = name.match(/\b(managers?|services?|utils?|helpers?|impl)\b/);
  const problem = (message: string) => [{ path, line: 1, message }];
  if (name === "index") return problem("no index files: import the file that has the thing");
  if (vague !== null) return problem(`"${vague[0]}" names nothing: say what is in the file`);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?$/.test(name)) return problem("name is not kebab-case");
  return [];
}

export function checkOpeningComment({ path, text }: SourceFile): Problem[] {
  if (!path.startsWith("src/") || /^(\/\*|\/\/)/.test(text)) return [];
  return [{ path, line: 1, message: "opens without a comment: what it is, which thread, why" }];
}

function findLines(text: string, check: (line: string) => string | null) {
  const found: { line: number; message: string }[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const message = check(line);
    if (message !== null) found.push({ line: index + 1, message });
  }
  return found;
}

// Imports

interface Import {
  line: number;
  /** Path from the root of the imported file. */
  to: string;
}

/** Imports of the project's own files, types and worker entries included. */
export function findImports({ path, text }: SourceFile): Import[] {
  const patterns = [
    /^(?:import|export)\s[^"`;=(]*?"(\.[^"]+)"/gm,
    /\bimport\("(\.[^"]+)"\)/g,
    /\bnew URL\("(\.[^"]+)", import\.meta\.url\)/g,
  ];
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => ({
      line: text.slice(0, match.index).split("\n").length,
      to: normalize(join(dirname(path), match[1] ?? "")),
    })),
  );
}

/** The folder of src/ a file is in, or its name for the files of src/ itself. */
function layerOf(path: string): string {
  return path.split("/")[1] ?? "";
}

export function checkLayers(file: SourceFile): Problem[] {
  const { path } = file;
  if (!path.startsWith("src/")) return [];
  const from = layerOf(path);
  const level = layers.findIndex((names) => names.includes(from));
  if (level < 0) return [{ path, line: 1, message: `scripts/tidy.ts knows no layer "${from}"` }];
  return findImports(file).flatMap(({ line, to }) => {
    const target = layerOf(to);
    if (!to.startsWith("src/")) {
      const message = `src/ imports nothing outside src/: ${to}`;
      return to === "package.json" ? [] : [{ path, line, message }];
    }
    const targetLevel = layers.findIndex((names) => names.includes(target));
    const isSideways = targetLevel === level && level > 0;
    if (target === from || targetLevel < level || isSideways) return [];
    return [{ path, line, message: `${from} must not import ${target}: imports go down` }];
  });
}

/** Circles of files, then circles of folders. */
export function checkCircles(files: SourceFile[]): Problem[] {
  const byFile = new Map<string, Set<string>>();
  const byLayer = new Map<string, Set<string>>();
  for (const file of files.filter(({ path }) => path.startsWith("src/"))) {
    // A worker's entry is started, not imported: its URL may point back up the tree.
    const targets = findImports(file).filter(({ to }) => !roots.includes(to));
    byFile.set(file.path, new Set(targets.map(({ to }) => to)));
    const layer = layerOf(file.path);
    const known = byLayer.get(layer) ?? new Set();
    for (const { to } of targets) if (layerOf(to) !== layer) known.add(layerOf(to));
    byLayer.set(layer, known);
  }
  return [...findCircles(byFile), ...findCircles(byLayer)].map((circle) => ({
    path: circle[0] ?? "",
    line: 1,
    message: `imports go round: ${circle.join(" → ")}`,
  }));
}

function findCircles(graph: Map<string, Set<string>>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (node: string, trail: string[]) => {
    const start = trail.indexOf(node);
    if (start >= 0) circles.push([...trail.slice(start), node]);
    if (start >= 0 || done.has(node)) return;
    for (const next of graph.get(node) ?? []) visit(next, [...trail, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return circles;
}

/** Files of src/ that neither a thread's entry nor a script reaches: tests keep no code alive. */
export function checkDeadFiles(files: SourceFile[]): Problem[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const queue = [...roots, ...files.map(({ path }) => path).filter(isScript)];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    queue.push(...findImports(file).map(({ to }) => to));
  }
  return files
    .filter(({ path }) => path.startsWith("src/") && !reached.has(path))
    .map(({ path }) => ({ path, line: 1, message: "dead: src/server.ts does not lead here" }));
}

function isScript(path: string): boolean {
  return path.startsWith("scripts/");
}

// Docs and package.json

/** Paths into the project, in backticks or links, that do not exist. */
export function checkDocPaths(
  { path, text }: SourceFile,
  isThere: (path: string) => boolean,
): Problem[] {
  return text.split("\n").flatMap((line, index) => {
    const inCode = [...line.matchAll(/`((?:src|test|scripts|docs)\/[^`\s]*)`/g)].map(
      (match) => match[1] ?? "",
    );
    const inLinks = [...line.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !/^(\w+:|#|\/)/.test(target))
      .map((target) => normalize(join(dirname(path), target)));
    return [...inCode, ...inLinks]
      .map((target) => target.replace(/[#?].*$/, "").replace(/:\d+$/, ""))
      .filter((target) => !/[*{<…]/.test(target) && !isThere(target))
      .map((target) => ({ path, line: index + 1, message: `no such path: ${target}` }));
  });
}

/** What `bun NAME` means by itself; a script of that name would run only as `bun run NAME`. */
const bunCommands =
  "add audit build check create exec fmt i info init install link lint outdated patch pm publish " +
  "remove repl run test unlink update upgrade why x";

/** `npm test` and `npm run build` are names everybody knows, so these two are meant. */
const intendedScripts = ["build", "test"];

export function checkScripts({ path, text }: SourceFile): Problem[] {
  const { scripts = {} } = JSON.parse(text) as { scripts?: Record<string, string> };
  return Object.keys(scripts)
    .filter((name) => bunCommands.split(" ").includes(name) && !intendedScripts.includes(name))
    .map((name) => ({ path, line: 1, message: `script "${name}" hides behind bun's own command` }));
}

// The tree

const fileRules = [
  checkFileLength,
  checkLineLength,
  checkFunctionLength,
  checkWords,
  checkName,
  checkOpeningComment,
  checkLayers,
];

export function findProblems(projectDir: string): Problem[] {
  const files = ["src", "test", "scripts"].flatMap((folder) =>
    readFiles(projectDir, folder, /\.(ts|mjs|js)$/),
  );
  const docs = [...readFiles(projectDir, "docs", /\.md$/), ...readDocsOfRoot(projectDir)];
  const manifest = readFile(projectDir, "package.json");
  return [
    ...files.flatMap((file) => fileRules.flatMap((rule) => rule(file))),
    ...checkCircles(files),
    ...checkDeadFiles(files),
    ...docs.flatMap((file) => checkDocPaths(file, (path) => existsSync(join(projectDir, path)))),
    ...checkScripts(manifest),
  ];
}

function readFile(projectDir: string, path: string): SourceFile {
  return { path, text: readFileSync(join(projectDir, path), "utf8") };
}

function readFiles(projectDir: string, folder: string, pattern: RegExp): SourceFile[] {
  if (!existsSync(join(projectDir, folder))) return [];
  return readdirSync(join(projectDir, folder), { recursive: true })
    .map((name) => `${folder}/${String(name)}`)
    .filter((path) => pattern.test(path) && !path.includes("/node_modules/"))
    .sort()
    .map((path) => readFile(projectDir, path));
}

function readDocsOfRoot(projectDir: string): SourceFile[] {
  return readdirSync(projectDir)
    .filter((name) => name.endsWith(".md"))
    .map((name) => readFile(projectDir, name));
}

if (import.meta.main) {
  const problems = findProblems(join(import.meta.dir, ".."));
  for (const { path, line, message } of problems) console.log(`${path}:${line}: ${message}`);
  process.exit(problems.length === 0 ? 0 : 1);
}
