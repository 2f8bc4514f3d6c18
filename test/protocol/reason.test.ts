/** Reasons: the prefixes of NIP-01, exactly, and what the compiler refuses. */

import { expect, test } from "bun:test";
import { encodeClosed, encodeNotice, encodeOk } from "../../src/protocol/message.ts";
import { REASON_PREFIXES, type Reason } from "../../src/protocol/reason.ts";

test("the prefixes are those of NIP-01 and what it calls none of them by another name", () => {
  expect(REASON_PREFIXES).toEqual([
    "duplicate",
    "pow",
    "blocked",
    "rate-limited",
    "invalid",
    "restricted",
    "mute",
    "error",
    "auth-required",
    "unsupported",
  ]);
});

// `bun check` fails where an expected error is none. What runs here is only the proof that each
// line is reached.

test("a reason without an exact prefix does not compile", () => {
  // @ts-expect-error: no prefix at all
  const none: Reason = "slow down";
  // @ts-expect-error: empty
  const empty: Reason = "";
  // @ts-expect-error: strfry's prefix before the prefix, which hides it from clients
  const double: Reason = "ERROR: auth-required: sign in";
  // @ts-expect-error: wrong case
  const upper: Reason = "Invalid: bad id";
  // @ts-expect-error: no such prefix
  const unknown: Reason = "closed: too slow";
  // @ts-expect-error: no space after the colon
  const tight: Reason = "invalid:bad id";
  const anyText: string = "invalid: bad id";
  // @ts-expect-error: any string may be without a prefix
  const wide: Reason = anyText;
  const good: Reason = `invalid: more than ${5} tags`;
  expect([none, empty, double, upper, unknown, tight, wide, good]).toHaveLength(8);
});

test("a refusal without a reason does not compile, an acceptance does", () => {
  const isAccepted = Boolean("yes");
  // @ts-expect-error: OK false must say why
  expect(encodeOk("ab", false, "")).toBe('["OK","ab",false,""]');
  // @ts-expect-error: may be a refusal, and then must say why
  expect(encodeOk("ab", isAccepted, "")).toBe('["OK","ab",true,""]');
  // @ts-expect-error: the reason of an acceptance has a prefix too
  expect(encodeOk("ab", true, "thanks")).toBe('["OK","ab",true,"thanks"]');
  // @ts-expect-error: CLOSED must say why
  expect(encodeClosed("s", "")).toBe('["CLOSED","s",""]');
  // @ts-expect-error: NOTICE has a prefix as well
  expect(encodeNotice("hello")).toBe('["NOTICE","hello"]');
  expect(encodeOk("ab", true, "")).toBe('["OK","ab",true,""]');
});
