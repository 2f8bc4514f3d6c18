// What the relay sends, held against the JSON schemas that others publish for Nostr
// (@nostrability/schemata). A schema is compiled when it is first needed; a frame takes a
// microsecond or two. Where the package lags behind the NIPs, `EXCEPTIONS` says what is right.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";

const NIPS = join(import.meta.dir, "../../node_modules/@nostrability/schemata/dist/nips");

type Schema = Record<string, unknown>;

interface MessageSchema extends Schema {
  items: Schema[];
  minItems: number;
  maxItems: number;
}

// Formats and error messages are for people; the package's own validators leave them out as well.
const ajv = new Ajv({ strict: false, validateSchema: false, addUsedSchema: false });

const compiled = new Map<string, ValidateFunction>();

function read(path: string): Schema {
  return JSON.parse(readFileSync(join(NIPS, path, "schema.json"), "utf8")) as Schema;
}

function validatorOf(path: string, amend?: (schema: Schema) => void): ValidateFunction {
  const known = compiled.get(path);
  if (known !== undefined) return known;
  const schema = read(path);
  amend?.(schema);
  const validate = ajv.compile(schema);
  compiled.set(path, validate);
  return validate;
}

const MESSAGES: Readonly<Record<string, string>> = {
  AUTH: "nip-42/messages/relay-auth",
  CLOSED: "nip-01/messages/relay-closed",
  COUNT: "nip-45/messages/relay-count",
  EOSE: "nip-01/messages/relay-eose",
  EVENT: "nip-01/messages/relay-event",
  NOTICE: "nip-01/messages/relay-notice",
  OK: "nip-01/messages/relay-ok",
};

/** Where the package's schemas and the NIPs differ. As few as can be. */
const EXCEPTIONS: Readonly<Record<string, (schema: Schema) => void>> = {
  // NIP-67: a third element, a list whose first element is the hint.
  EOSE: (schema) => {
    const { items } = schema as MessageSchema;
    items.push({ type: "array", items: [{ enum: ["finish", "more"] }], minItems: 1, maxItems: 1 });
    schema["maxItems"] = 3;
  },
  // NIP-45: `hll` is 256 registers of a byte each, in hex.
  COUNT: (schema) => {
    const { properties } = (schema as MessageSchema).items[2] as { properties: Schema };
    properties["hll"] = { type: "string", pattern: "^[0-9a-f]{512}$" };
  },
  // NIP-01: a refusal is bound to the id that was sent, and that may be what is wrong with it.
  OK: (schema) => {
    const { items } = schema as MessageSchema;
    const { pattern: _, ...id } = items[1] as Schema;
    schema["if"] = { items: [{}, {}, { const: true }] };
    schema["then"] = { items: [{}, items[1]] };
    items[1] = id;
  },
};

/** The package has none for NIP-77: ["NEG-MSG", id, hex], ["NEG-ERR", id, reason, maximum]. */
const NEGENTROPY: Readonly<Record<string, Schema>> = {
  "NEG-ERR": {
    items: [
      {},
      { type: "string" },
      { type: "string", pattern: "^[a-z-]+: ." },
      { type: "integer", minimum: 1 },
    ],
    maxItems: 4,
  },
  "NEG-MSG": {
    items: [{}, { type: "string" }, { type: "string", pattern: "^([0-9a-f][0-9a-f])+$" }],
    maxItems: 3,
  },
};

/** Made and signed by the relay itself (NIP-29, 43, 66), so their schemas are its own duty. */
const OWN_KINDS = new Set([8000, 8001, 13_534, 30_166, 39_000, 39_001, 39_002, 39_003]);

/** By kind: the path of its schema. */
const kindPaths = new Map<number, string>();

function kindPath(kind: number): string | null {
  if (kindPaths.size === 0) {
    for (const name of readdirSync(NIPS, { recursive: true })) {
      const found = /^[^/]+\/kind-(\d+)$/.exec(String(name));
      if (found !== null) kindPaths.set(Number(found[1]), String(name));
    }
  }
  return kindPaths.get(kind) ?? null;
}

function validatorOfType(type: string): ValidateFunction | null {
  const path = MESSAGES[type];
  if (path !== undefined) return validatorOf(path, EXCEPTIONS[type]);
  const schema = NEGENTROPY[type];
  if (schema === undefined) return null;
  const known = compiled.get(type) ?? ajv.compile({ ...schema, minItems: 3 });
  compiled.set(type, known);
  return known;
}

function faultOf(what: string, value: unknown, validate: ValidateFunction): string | null {
  if (validate(value)) return null;
  const text = JSON.stringify(value);
  return `${what} fails its schema: ${ajv.errorsText(validate.errors)}: ${text.slice(0, 1000)}`;
}

/** Why the message is none that a relay may send, or null when it is one. */
export function findFrameFault(frame: unknown): string | null {
  const [type, , event] = Array.isArray(frame) ? (frame as unknown[]) : [];
  const validate = typeof type === "string" ? validatorOfType(type) : null;
  if (validate === null) return `no such message: ${JSON.stringify(frame).slice(0, 1000)}`;
  const fault = faultOf(String(type), frame, validate);
  if (fault !== null || type !== "EVENT") return fault;
  const { kind } = event as { kind: number };
  return OWN_KINDS.has(kind) ? findEventFault(event as { kind: number }) : null;
}

/** Why this is no event of its kind, or null when it is one or its kind has no schema. */
export function findEventFault(event: { readonly kind: number }): string | null {
  const path = kindPath(event.kind);
  return path === null ? null : faultOf(`kind ${event.kind}`, event, validatorOf(path));
}

/**
 * Throws when this is no message that a relay may send: where a socket's event handler calls it,
 * the test that is running fails.
 */
export function checkFrame(frame: unknown): void {
  const fault = findFrameFault(frame);
  if (fault !== null) throw new Error(fault);
}

/** Returns the message that a frame's text is, checked. */
export function parseFrame(text: string): readonly unknown[] {
  const frame: unknown = JSON.parse(text);
  checkFrame(frame);
  return frame as readonly unknown[];
}

/** Returns the relay information document (NIP-11) that a text is; throws when it is none. */
export function parseInformation(text: string): unknown {
  const document: unknown = JSON.parse(text);
  const fault = faultOf("the relay information document", document, validatorOf("nip-11"));
  if (fault !== null) throw new Error(fault);
  return document;
}
