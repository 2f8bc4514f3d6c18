// The parameters of the management API (NIP-86): untrusted values → typed ones. The first that is
// wrong is the problem of the whole call. Pure; any thread.

import { canonicalNetwork } from "../config/address.ts";
import { isNetwork } from "../config/value.ts";
import { isHex64 } from "../protocol/hex.ts";
import { isKind } from "../protocol/kind.ts";

const TEXT_LENGTH_MAX = 500;
const LONG_TEXT_LENGTH_MAX = 10_000;
const ROLE_ID = /^[^\u0000-\u001f\u007f]{1,64}$/;
const HUE_MAX = 360;

export class Params {
  problem: string | null = null;
  private readonly values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.values = values;
  }

  pubkey(at: number): string {
    const value = this.values[at];
    return isHex64(value) ? value : this.wrong(at, "a public key, 64 lower-case hex digits", "");
  }

  id(at: number): string {
    const value = this.values[at];
    return isHex64(value) ? value : this.wrong(at, "an event id, 64 lower-case hex digits", "");
  }

  kind(at: number): number {
    const value = this.values[at];
    return isKind(value) ? value : this.wrong(at, "a kind, 0 to 65535", 0);
  }

  /** "" when it is left out. */
  text(at: number, lengthMax = TEXT_LENGTH_MAX): string {
    const value = this.values[at] ?? "";
    const isGood = typeof value === "string" && value.length <= lengthMax && value.isWellFormed();
    return isGood ? value : this.wrong(at, `a text of at most ${lengthMax} characters`, "");
  }

  /** Must be there. */
  longText(at: number): string {
    if (typeof this.values[at] === "string") return this.text(at, LONG_TEXT_LENGTH_MAX);
    return this.wrong(at, "a text", "");
  }

  role(at: number): string {
    const value = this.values[at];
    const isGood = typeof value === "string" && ROLE_ID.test(value) && value.isWellFormed();
    return isGood ? value : this.wrong(at, "a role id of 1 to 64 characters", "");
  }

  /** A number or its digits, null when it is left out. */
  hue(at: number): number | null {
    const value = this.optionalInteger(at);
    if (value === null || (value >= 0 && value <= HUE_MAX)) return value;
    return this.wrong(at, `a hue, 0 to ${HUE_MAX}`, null);
  }

  optionalInteger(at: number): number | null {
    const value = this.values[at];
    if (value === undefined || value === null || value === "") return null;
    const number = typeof value === "string" ? Number(value) : value;
    if (typeof number === "number" && Number.isSafeInteger(number)) return number;
    return this.wrong(at, "an integer", null);
  }

  /** An address or a network, in the one spelling that it has. */
  network(at: number): string {
    const value = this.values[at];
    if (typeof value === "string" && isNetwork(value)) return canonicalNetwork(value);
    return this.wrong(at, "an IP address or network (10.0.0.0/8)", "");
  }

  private wrong<T>(at: number, what: string, placeholder: T): T {
    this.problem ??= `parameter ${at + 1} must be ${what}`;
    return placeholder;
  }
}
