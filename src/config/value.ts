// Turns what somebody wrote, as text (environment, flags) or as a TOML value (file), into the value
// of an option. Pure; belongs to no thread. A wrong value is a result that says what is wrong with
// it; the caller knows the place and puts it in front.

import { isIP } from "node:net";
import { parseKindNumber, parseKindRange } from "../protocol/kind-set.ts";
import { normalizeRelayUrl } from "../protocol/relay-url.ts";
import type { Form, IntegerOption, Option, OptionValue } from "./option.ts";
import { parseSocksServer } from "./socks-server.ts";

export type Parsed =
  | { readonly ok: true; readonly value: OptionValue }
  | { readonly ok: false; readonly problem: string };

const FORMS: Readonly<Record<Form, (text: string) => string | null>> = {
  any: () => null,
  filled: (text) => (text === "" ? "must not be empty" : null),
  // The characters of an HTTP field name (RFC 9110, 5.6.2) less the upper-case letters.
  header: (text) =>
    /^[a-z0-9!#$%&'*+.^_`|~-]*$/.test(text)
      ? null
      : `${quote(text)} is not a lower-case header name`,
  pubkey: (text) =>
    /^([0-9a-f]{64})?$/.test(text) ? null : `${quote(text)} is not 64 lower-case hex digits`,
  network: (text) =>
    isNetwork(text) ? null : `${quote(text)} is not an IP address or network (10.0.0.0/8)`,
  relay: (text) =>
    normalizeRelayUrl(text) === null
      ? `${quote(text)} is not the address of a relay (wss://relay.example.com)`
      : null,
  kinds: (text) =>
    parseKindRange(text) === null
      ? `${quote(text)} is not a kind or a range of kinds (4, 9000-9020)`
      : null,
  "kind-number": (text) =>
    parseKindNumber(text) === null
      ? `${quote(text)} is not a kind or a range of kinds with a number (1:20, 9000-9020:16)`
      : null,
  json: (text) =>
    text === "" || isJson(text) ? null : `${quote(text)} is not a JSON object or array`,
  // It may hold a password: not to be shown.
  socks: (text) =>
    text === "" || parseSocksServer(text) !== null
      ? null
      : "is not the address of a SOCKS5 server (127.0.0.1:9050)",
};

function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}

/** From the environment or a flag. Lists are separated by commas; empty text is an empty list. */
export function parseText(option: Option, text: string): Parsed {
  switch (option.type) {
    case "integer":
      return /^-?[0-9]+$/.test(text) ? checkInteger(option, Number(text), text) : notInteger(text);
    case "boolean":
      if (text === "true" || text === "false") return accept(text === "true");
      return reject(`${quote(text)} is not true or false`);
    case "choice":
      return checkChoice(option.choices, text);
    case "string":
      return checkString(option.form, text);
    case "list":
      return checkList(option.form, text.trim() === "" ? [] : splitList(text));
  }
}

/** From the file: `value` is what the TOML parser made of it. */
export function parseTomlValue(option: Option, value: unknown): Parsed {
  switch (option.type) {
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value)) return notInteger(value);
      return checkInteger(option, value, String(value));
    case "boolean":
      return typeof value === "boolean"
        ? accept(value)
        : reject(`${describe(value)} is not true or false`);
    case "choice":
      return checkChoice(option.choices, value);
    case "string":
      return typeof value === "string"
        ? checkString(option.form, value)
        : reject(`${describe(value)} is not a string`);
    case "list":
      return Array.isArray(value)
        ? checkList(option.form, value)
        : reject(`${describe(value)} is not a list of strings`);
  }
}

/** An address (10.0.0.1, ::1) or a network in CIDR notation (10.0.0.0/8, fd00::/8). */
export function isNetwork(text: string): boolean {
  const [address = "", prefix, ...more] = text.split("/");
  const family = address.includes("%") ? 0 : isIP(address); // A zone means nothing elsewhere.
  if (family === 0 || more.length > 0) return false;
  if (prefix === undefined) return true;
  return /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

function accept(value: OptionValue): Parsed {
  return { ok: true, value };
}

function reject(problem: string): Parsed {
  return { ok: false, problem };
}

function notInteger(value: unknown): Parsed {
  return reject(`${describe(value)} is not an integer`);
}

function checkInteger(option: IntegerOption, value: number, written: string): Parsed {
  if (value < option.min) return reject(`${written} is less than ${option.min}`);
  if (value > option.max) return reject(`${written} is more than ${option.max}`);
  return accept(value);
}

function checkChoice(choices: readonly string[], value: unknown): Parsed {
  if (typeof value === "string" && choices.includes(value)) return accept(value);
  return reject(`${describe(value)} is not one of ${choices.join(", ")}`);
}

function checkString(form: Form, text: string): Parsed {
  const problem = FORMS[form](text);
  return problem === null ? accept(text) : reject(problem);
}

function splitList(text: string): string[] {
  return text.split(",").map((item) => item.trim());
}

function checkList(form: Form, items: readonly unknown[]): Parsed {
  const strings: string[] = [];
  for (const [index, item] of items.entries()) {
    if (typeof item !== "string") {
      return reject(`item ${index + 1}: ${describe(item)} is not a string`);
    }
    const problem = item === "" ? "must not be empty" : FORMS[form](item);
    if (problem !== null) return reject(`item ${index + 1}: ${problem}`);
    strings.push(item);
  }
  return accept(Object.freeze(strings));
}

/** How a message names a value that somebody wrote; always one line. */
function describe(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  const isTable = Object.getPrototypeOf(value) === Object.prototype;
  return isTable ? "a table" : "a date or time"; // Those are objects of Temporal.
}

function quote(text: string): string {
  return JSON.stringify(text);
}
