// taoCONFIG, the format of strfry's files, as far as those use it: JSON whose outermost braces,
// commas, and quotes around names may be left out, with `=` for `:`, and with the comments `#`,
// `//` and `/* */`; `a.b = 1` is `a { b = 1 }`. What it can do besides (references, functions,
// includes, additions) is refused by name, never guessed at. Text → values that know their lines.
// Pure.

import { ConfigError } from "../config/config-error.ts";

export interface TaoMember {
  /** Of its name. Lines count from 1. */
  readonly line: number;
  readonly value: TaoValue;
}

export type TaoObject = ReadonlyMap<string, TaoMember>;

export type TaoValue =
  | { readonly type: "object"; readonly line: number; readonly members: TaoObject }
  | { readonly type: "array"; readonly line: number; readonly items: readonly TaoValue[] }
  | { readonly type: "string"; readonly line: number; readonly text: string }
  | { readonly type: "number"; readonly line: number; readonly number: number }
  | { readonly type: "literal"; readonly line: number; readonly literal: boolean | null };

/** Nobody nests deeper; a hostile file must not exhaust the stack. */
const DEPTH_MAX = 32;
/** taoCONFIG has identifiers; a dash in a name is common and means nothing else here. */
const NAME = /[A-Za-z_][A-Za-z0-9_-]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const BLANK = /[ \t\r\n]+|#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\//y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const LITERALS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** `path` is for messages only. Throws ConfigError "path:line: …". */
export function parseTaoConfig(text: string, path: string): TaoObject {
  return new Parser(text, path).parseFile();
}

/** The same as JSON has it. */
export function toJson(value: TaoValue): unknown {
  switch (value.type) {
    case "object": {
      const entries = [...value.members].map(([name, one]) => [name, toJson(one.value)] as const);
      return Object.fromEntries(entries);
    }
    case "array":
      return value.items.map(toJson);
    case "string":
      return value.text;
    case "number":
      return value.number;
    case "literal":
      return value.literal;
  }
}

class Parser {
  private readonly text: string;
  private readonly path: string;
  private at = 0;
  private countedTo = 0;
  private lineCount = 1;
  private depth = 0;

  constructor(text: string, path: string) {
    this.text = text.replace(/^\ufeff/, "");
    this.path = path;
  }

  parseFile(): TaoObject {
    this.skipBlank();
    if (!this.take("{")) return this.parseMembers(null);
    const members = this.parseMembers("}");
    if (this.at < this.text.length) throw this.unexpected("the end of the file");
    return members;
  }

  /** `end`: the brace that ends them; null for the end of the file. */
  private parseMembers(end: "}" | null): TaoObject {
    const openedAt = this.line();
    const members = new Map<string, TaoMember>();
    for (;;) {
      this.skipBlank();
      if (end !== null && this.take(end)) break;
      if (this.at >= this.text.length) {
        if (end === null) return members;
        throw this.fault("this { is never closed", openedAt);
      }
      const line = this.line();
      const names = this.parseNames();
      this.assign(members, names, { line, value: this.parseAssigned(names.join(".")) });
      this.skipBlank();
      this.take(",");
    }
    this.skipBlank();
    return members;
  }

  /** What is in `a.b` goes to what there is of `a`. */
  private assign(
    members: Map<string, TaoMember>,
    [name = "", ...inner]: readonly string[],
    member: TaoMember,
  ): void {
    const { line } = member;
    const known = members.get(name)?.value;
    if (known !== undefined && (inner.length === 0 || known.type !== "object")) {
      throw this.fault(`${name} is here a second time`, line);
    }
    if (inner.length === 0) {
      members.set(name, member);
      return;
    }
    const within = new Map(known?.members);
    this.assign(within, inner, member);
    const first = members.get(name)?.line ?? line;
    members.set(name, { line: first, value: { type: "object", line: first, members: within } });
  }

  private parseNames(): string[] {
    const names = [this.parseName()];
    while (this.take(".")) names.push(this.parseName());
    if (names.length > DEPTH_MAX) throw this.fault(`more than ${DEPTH_MAX} names in each other`);
    return names;
  }

  private parseName(): string {
    const quote = this.text[this.at];
    if (quote === '"' || quote === "'") return this.parseString(quote);
    if (quote === "(") throw this.fault("includes and other ( ) are not supported");
    const name = this.match(NAME);
    if (name === null) throw this.unexpected("a name");
    return name;
  }

  private parseAssigned(name: string): TaoValue {
    this.skipBlank();
    if (this.text.startsWith("+=", this.at)) throw this.fault("+= is not supported");
    const isAssigned = this.take("=") || this.take(":");
    this.skipBlank();
    const next = this.text[this.at];
    if (!isAssigned && next !== "{" && next !== "[") throw this.unexpected(`= after ${name}`);
    return this.parseValue();
  }

  private parseValue(): TaoValue {
    const line = this.line();
    const value = this.parseOne(line);
    this.skipBlank();
    if (this.text[this.at] === "+") throw this.fault("additions are not supported");
    return value;
  }

  private parseOne(line: number): TaoValue {
    const next = this.text[this.at];
    switch (next) {
      case "{":
        return { type: "object", line, members: this.nested(() => this.parseMembers("}")) };
      case "[":
        return { type: "array", line, items: this.nested(() => this.parseItems(line)) };
      case '"':
      case "'":
        return { type: "string", line, text: this.parseString(next) };
      case "(":
        throw this.fault("references and functions are not supported");
    }
    const number = this.match(NUMBER);
    if (number !== null && !/[\w.]/.test(this.text[this.at] ?? "")) {
      return { type: "number", line, number: Number(number) };
    }
    if (number === null) {
      const word = this.match(NAME);
      const literal = word === null ? undefined : LITERALS.get(word);
      if (literal !== undefined) return { type: "literal", line, literal };
      if (word !== null) throw this.fault(`${word} is no value: a text stands in quotes`);
    }
    throw this.unexpected("a value");
  }

  private parseItems(openedAt: number): TaoValue[] {
    const items: TaoValue[] = [];
    for (;;) {
      this.skipBlank();
      if (this.take("]")) return items;
      if (this.at >= this.text.length) throw this.fault("this [ is never closed", openedAt);
      items.push(this.parseValue());
      this.take(",");
    }
  }

  /** What is in the bracket that comes next. */
  private nested<T>(parse: () => T): T {
    this.at += 1;
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw this.fault(`more than ${DEPTH_MAX} brackets in each other`);
    const result = parse();
    this.depth -= 1;
    return result;
  }

  private parseString(quote: string): string {
    const openedAt = this.line();
    if (this.text.startsWith(quote.repeat(3), this.at)) {
      throw this.fault("texts of several lines are not supported");
    }
    let result = "";
    for (let at = this.at + 1; at < this.text.length; at++) {
      const unit = this.text[at] as string;
      if (unit === "\n") break;
      if (unit === quote) {
        this.at = at + 1;
        return result;
      }
      if (unit !== "\\") {
        result += unit;
        continue;
      }
      at += 1;
      const escape = this.text[at] ?? "";
      const hex = escape === "u" ? /^[0-9a-f]{4}/i.exec(this.text.slice(at + 1, at + 5)) : null;
      const plain = hex === null ? ESCAPES[escape] : String.fromCharCode(parseInt(hex[0], 16));
      if (plain === undefined) throw this.fault(`\\${escape} is no escape`, openedAt);
      if (hex !== null) at += 4;
      result += plain;
    }
    throw this.fault("this text is never closed", openedAt);
  }

  private skipBlank(): void {
    while (this.match(BLANK) !== null);
    if (this.text.startsWith("/*", this.at)) throw this.fault("this comment is never closed");
  }

  private take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? null;
    if (found !== null) this.at += found.length;
    return found;
  }

  /** Counted on from where it was last asked for: a file may have many thousands of values. */
  private line(): number {
    for (; this.countedTo < this.at; this.countedTo++) {
      if (this.text[this.countedTo] === "\n") this.lineCount += 1;
    }
    return this.lineCount;
  }

  private unexpected(wanted: string): ConfigError {
    const rest = this.text.slice(this.at);
    const found = rest === "" ? "the end of the file" : (/^\w{1,40}|^[^]/u.exec(rest)?.[0] ?? "");
    return this.fault(`${wanted} is missing before ${JSON.stringify(found)}`);
  }

  private fault(what: string, line = this.line()): ConfigError {
    return new ConfigError(`${this.path}:${line}: ${what}`);
  }
}
