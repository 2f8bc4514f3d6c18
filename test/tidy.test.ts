/**
 * Runs the project's own rules (scripts/tidy.ts) on the tree, and shows with a bad example of each
 * that the rule can fail. Words the rules ban are put together here, so that this file has none.
 */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  checkCircles,
  checkDeadFiles,
  checkDocPaths,
  checkFileLength,
  checkFunctionLength,
  checkLayers,
  checkLineLength,
  checkName,
  checkOpeningComment,
  checkScripts,
  checkWords,
  findImports,
  findProblems,
  type Problem,
} from "../scripts/tidy.ts";

const file = (path: string, text: string) => ({ path, text });
const told = (problems: Problem[]) => problems.map(({ line, message }) => `${line}: ${message}`);
const lines = (count: number, line = "  step();") => new Array<string>(count).fill(line).join("\n");

test("the tree keeps its own rules", () => {
  const problems = findProblems(join(import.meta.dir, ".."));
  expect(problems.map(({ path, line, message }) => `${path}:${line}: ${message}`)).toEqual([]);
});

describe("sizes", () => {
  test("a file of src may have 400 lines, a test 600", () => {
    expect(checkFileLength(file("src/a.ts", `${lines(400)}\n`))).toEqual([]);
    expect(told(checkFileLength(file("src/a.ts", lines(401))))).toEqual([
      "1: 401 lines, at most 400",
    ]);
    expect(checkFileLength(file("test/a.test.ts", lines(600)))).toEqual([]);
    expect(told(checkFileLength(file("test/a.test.ts", lines(601))))).toEqual([
      "1: 601 lines, at most 600",
    ]);
  });

  test("a line has at most 100 columns, unless it holds a URL or a test vector", () => {
    const long = "x".repeat(101);
    expect(checkLineLength(file("src/a.ts", "é".repeat(100)))).toEqual([]);
    expect(told(checkLineLength(file("src/a.ts", `ok\n${long}`)))).toEqual([
      "2: 101 columns, at most 100",
    ]);
    expect(checkLineLength(file("src/a.ts", `// https://example.com/${long}`))).toEqual([]);
    expect(checkLineLength(file("src/a.ts", `"${"0123456789abcdef".repeat(8)}"`))).toEqual([]);
  });

  const shapes: [string, string, string][] = [
    ["a function", "export async function run(a: number): Promise<void> {", "}"],
    ["a function with many parameters", "function run(\n  a: number,\n): void {", "}"],
    ["a function with a pattern", "function run({\n  a,\n}: Options): void {", "}"],
    ["a generic method", "  private read<T>(a: T): void {", "  }"],
    ["a method", "  async *read(a: number) {", "  }"],
    ["an arrow function", "const run = (a: number) => {", "};"],
    ["a callback", '  return on("open", () => {', "  });"],
  ];
  for (const [what, head, end] of shapes) {
    test(`${what} has at most 70 lines`, () => {
      const headLines = head.split("\n").length;
      const body = (count: number) => lines(count - headLines - 1, "      step();");
      const good = [head, body(70), end].join("\n");
      const bad = ["// before", head, body(71), end].join("\n");
      expect(checkFunctionLength(file("src/a.ts", good))).toEqual([]);
      expect(told(checkFunctionLength(file("src/a.ts", bad)))).toEqual([
        "2: function of 71 lines, at most 70",
      ]);
      expect(checkFunctionLength(file("test/a.test.ts", bad))).toEqual([]);
    });
  }

  test("a class, a call and a long table are no functions", () => {
    for (const [head, end] of [
      ["class Ring {", "}"],
      ["  parse(", "  );"],
      ["const table = {", "};"],
      ["  if (ready) {", "  }"],
    ]) {
      const text = [head, lines(90, "      step();"), end].join("\n");
      expect(checkFunctionLength(file("src/a.ts", text))).toEqual([]);
    }
  });
});

describe("words and names", () => {
  const any = ["a", "n", "y"].join("");
  const banned: [string, string, string][] = [
    ["unfinished work", ["// TO", "DO: later"].join(""), "unfinished work belongs in the tracker"],
    ["marked work", ["x(); // FIX", "ME"].join(""), "unfinished work belongs in the tracker"],
    ["a cast to it", `x as ${any};`, "`any` is banned: use unknown and narrow it"],
    ["a type of it", `let x: ${any}[];`, "`any` is banned: use unknown and narrow it"],
    ["a parameter of it", `new Map<${any}>();`, "`any` is banned: use unknown and narrow it"],
    ["an ignored error", ["// @ts-ig", "nore"].join(""), "use @ts-expect-error with a reason"],
    ["a focused test", ["test.on", 'ly("x")'].join(""), "a focused test hides the others"],
    ["a skipped test", ["test.sk", 'ip("x")'].join(""), "a test runs, or says with skipIf"],
    ["a test to come", ["test.to", 'do("x")'].join(""), "a test runs, or says with skipIf"],
    ["a default export", "export default 1;".replace("1", "run"), "no default exports"],
  ];
  for (const [what, text, message] of banned) {
    test(`${what} is found`, () => {
      const problems = told(checkWords(file("src/a.ts", `ok();\n${text}\n`)));
      expect(problems).toHaveLength(1);
      expect(problems[0]).toStartWith(`2: ${message}`);
    });
  }

  test("comments and strings may speak of anything", () => {
    const text = `// as ${any} of\n * such: ${any} id\nconst x = "as ${any}"; // one: ${any}\n`;
    expect(checkWords(file("src/a.ts", text))).toEqual([]);
    expect(checkWords(file("test/a.ts", "test.skipIf(true)('x')"))).toEqual([]);
  });

  test("only src/cli prints", () => {
    const text = "console.log(1);";
    expect(told(checkWords(file("src/store/a.ts", text)))).toEqual(["1: only src/cli prints"]);
    expect(checkWords(file("src/cli/a.ts", text))).toEqual([]);
    expect(checkWords(file("scripts/a.ts", text))).toEqual([]);
  });

  test("names say what is in the file, in kebab-case", () => {
    const kebab = ["1: name is not kebab-case"];
    const bad: [string, string[]][] = [
      ["src/a/index.ts", ["1: no index files: import the file that has the thing"]],
      ["src/a/event-service.ts", ['1: "service" names nothing: say what is in the file']],
      ["src/a/utils.ts", ['1: "utils" names nothing: say what is in the file']],
      ["test/a/test-helper.test.ts", ['1: "helper" names nothing: say what is in the file']],
      ["src/a/openBackend.ts", kebab],
      ["src/a/open_backend.ts", kebab],
    ];
    for (const [path, problems] of bad) expect(told(checkName(file(path, "")))).toEqual(problems);
    for (const path of ["src/simple.ts", "src/nip-11.ts", "test/a-b.test.ts", "scripts/x.mjs"]) {
      expect(checkName(file(path, ""))).toEqual([]);
    }
  });

  test("a file of src opens with a comment", () => {
    expect(told(checkOpeningComment(file("src/a.ts", "export const a = 1;")))).toEqual([
      "1: opens without a comment: what it is, which thread, why",
    ]);
    expect(checkOpeningComment(file("src/a.ts", "/** What it is. */"))).toEqual([]);
    expect(checkOpeningComment(file("src/a.ts", "// What it is."))).toEqual([]);
  });
});

describe("imports", () => {
  test("all forms of import are found, with their lines", () => {
    const text = [
      'import { a } from "./a.ts";',
      "import {\n  b,\n  c,\n} from '../x/b.ts';".replaceAll("'", '"'),
      'import type { D } from "../y/d.ts";',
      'export { e } from "./e.ts";',
      'import "./f.ts";',
      'const g = await import("./g.ts");',
      'const worker = new Worker(new URL("./h.ts", import.meta.url));',
      'import { join } from "node:path";',
      'export const text = "./no-import.ts";',
    ].join("\n");
    expect(findImports(file("src/w/start.ts", text))).toEqual([
      { line: 1, to: "src/w/a.ts" },
      { line: 2, to: "src/x/b.ts" },
      { line: 6, to: "src/y/d.ts" },
      { line: 7, to: "src/w/e.ts" },
      { line: 8, to: "src/w/f.ts" },
      { line: 9, to: "src/w/g.ts" },
      { line: 10, to: "src/w/h.ts" },
    ]);
  });

  const from = (path: string, ...targets: string[]) =>
    file(path, targets.map((target) => `import { x } from "${target}";`).join("\n"));

  test("layers import downwards", () => {
    const good = [
      from("src/store/write.ts", "./query.ts", "../ring/ring.ts", "../protocol/event.ts"),
      from("src/workers/main.ts", "../http/metrics.ts", "../version.ts"),
      from("src/server.ts", "./cli/relay.ts"),
      from("src/version.ts", "../package.json"),
      from("test/a.test.ts", "../src/server.ts", "../scripts/tidy.ts"),
    ];
    expect(good.flatMap(checkLayers)).toEqual([]);
    const bad: [ReturnType<typeof from>, string][] = [
      [from("src/protocol/a.ts", "../crypto/b.ts"), "protocol must not import crypto"],
      [from("src/protocol/a.ts", "../version.ts"), "protocol must not import version.ts"],
      [from("src/store/a.ts", "../workers/b.ts"), "store must not import workers"],
      [from("src/http/a.ts", "../cli/b.ts"), "http must not import cli"],
      [from("src/cli/a.ts", "../server.ts"), "cli must not import server.ts"],
    ];
    for (const [source, message] of bad) {
      expect(told(checkLayers(source))).toEqual([`1: ${message}: imports go down`]);
    }
    expect(told(checkLayers(from("src/odd/a.ts")))).toEqual([
      '1: scripts/tidy.ts knows no layer "odd"',
    ]);
    expect(told(checkLayers(from("src/store/a.ts", "../../test/b.ts")))).toEqual([
      "1: src/ imports nothing outside src/: test/b.ts",
    ]);
  });

  test("circles of files and of folders are found", () => {
    const good = [from("src/a/one.ts", "./two.ts", "../b/x.ts"), from("src/a/two.ts")];
    expect(checkCircles(good)).toEqual([]);
    const round = [
      from("src/a/one.ts", "./two.ts"),
      from("src/a/two.ts", "./three.ts"),
      from("src/a/three.ts", "./two.ts"),
    ];
    expect(told(checkCircles(round))).toEqual([
      "1: imports go round: src/a/two.ts → src/a/three.ts → src/a/two.ts",
    ]);
    const folders = [
      from("src/store/a.ts", "../policy/b.ts"),
      from("src/policy/b.ts"),
      from("src/policy/c.ts", "../store/d.ts"),
    ];
    expect(told(checkCircles(folders))).toEqual(["1: imports go round: store → policy → store"]);
  });

  test("a file only tests import is dead", () => {
    const url = 'new Worker(new URL("./worker.ts", import.meta.url));';
    const files = [
      from("src/server.ts", "./workers/pool.ts"),
      file("src/workers/pool.ts", url),
      from("src/workers/worker.ts", "../store/used.ts"),
      file("src/store/used.ts", ""),
      file("src/store/by-script.ts", ""),
      from("src/store/unused.ts", "./unused-too.ts"),
      file("src/store/unused-too.ts", ""),
      from("scripts/docs.ts", "../src/store/by-script.ts"),
      from("test/store.test.ts", "../src/store/unused.ts"),
    ];
    expect(checkDeadFiles(files).map(({ path }) => path)).toEqual([
      "src/store/unused.ts",
      "src/store/unused-too.ts",
    ]);
  });
});

describe("docs and scripts", () => {
  test("paths in the docs exist", () => {
    const there = new Set(["src/server.ts", "docs/operations.md", "docs", "src/store"]);
    const text = [
      "`src/server.ts`, `src/store`, `src/*/worker.ts`, `docs/…`, [how](operations.md#backups),",
      "[site](https://example.com), [above](#top), `bun src/gone.ts` and src/gone.ts in prose;",
      "`src/gone.ts` and [gone](gone.md) and [up](../src/gone-too.ts)",
    ].join("\n");
    expect(told(checkDocPaths(file("docs/a.md", text), (path) => there.has(path)))).toEqual([
      "3: no such path: src/gone.ts",
      "3: no such path: docs/gone.md",
      "3: no such path: src/gone-too.ts",
    ]);
  });

  test("npm scripts do not hide behind bun's commands", () => {
    const scripts = (...names: string[]) =>
      file(
        "package.json",
        JSON.stringify({ scripts: Object.fromEntries(names.map((n) => [n, "x"])) }),
      );
    expect(checkScripts(scripts("start", "test", "build", "docs", "setup"))).toEqual([]);
    expect(told(checkScripts(scripts("start", "fmt")))).toEqual([
      `1: script "fmt" hides behind bun's own command`,
    ]);
  });
});
