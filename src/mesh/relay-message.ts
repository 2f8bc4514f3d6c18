// What a relay sends its clients (NIP-01, 42, 67, 77): untrusted text → tagged union. The other
// direction of protocol/message.ts. Pure.

import type { EoseHint } from "../protocol/message.ts";

/** What an OK says. */
export interface Answer {
  readonly isAccepted: boolean;
  readonly reason: string;
}

/** Of a reason: it has the event already, whatever the OK says; it has no time just now. */
export const IS_DUPLICATE = /^duplicate\b/;
export const IS_RATE_LIMITED = /^rate-limited\b/;

export type RelayMessage =
  | { readonly type: "EVENT"; readonly subscriptionId: string; readonly event: unknown }
  | { readonly type: "EOSE"; readonly subscriptionId: string; readonly hint: EoseHint }
  | { readonly type: "CLOSED"; readonly subscriptionId: string; readonly reason: string }
  | ({ readonly type: "OK"; readonly id: string } & Answer)
  | { readonly type: "NOTICE"; readonly text: string }
  | { readonly type: "AUTH"; readonly challenge: string }
  | { readonly type: "NEG-MSG"; readonly subscriptionId: string; readonly message: Uint8Array }
  | { readonly type: "NEG-ERR"; readonly subscriptionId: string; readonly reason: string }
  /** Of NIPs that nothing here asks for. */
  | { readonly type: "other" };

const OTHER: RelayMessage = { type: "other" };
const HEX = /^(?:[0-9a-f]{2})*$/i;

/** Null for what is no message of a relay. */
export function parseRelayMessage(text: string): RelayMessage | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(message)) return null;
  const [type, subject, third, fourth] = message as unknown[];
  if (typeof type !== "string") return null;
  switch (type) {
    case "EVENT":
      return typeof subject === "string" && isObject(third)
        ? { type, subscriptionId: subject, event: third }
        : null;
    case "EOSE":
      return typeof subject === "string"
        ? { type, subscriptionId: subject, hint: parseHint(third) }
        : null;
    case "CLOSED":
    case "NEG-ERR":
      return typeof subject === "string"
        ? { type, subscriptionId: subject, reason: textOf(third) }
        : null;
    case "OK":
      return typeof subject === "string" && typeof third === "boolean"
        ? { type, id: subject, isAccepted: third, reason: textOf(fourth) }
        : null;
    case "NOTICE":
      return typeof subject === "string" ? { type, text: subject } : null;
    case "AUTH":
      return typeof subject === "string" ? { type, challenge: subject } : null;
    case "NEG-MSG":
      return typeof subject === "string" && typeof third === "string" && HEX.test(third)
        ? { type, subscriptionId: subject, message: Buffer.from(third, "hex") }
        : null;
    default:
      return OTHER;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Some relays leave reasons out. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** NIP-67: unknown hints, and more than one, are no error. */
function parseHint(value: unknown): EoseHint {
  if (!Array.isArray(value)) return null;
  if (value.includes("finish")) return "finish";
  return value.includes("more") ? "more" : null;
}
