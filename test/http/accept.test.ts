// Who gets the relay information document instead of the page.

import { describe, expect, test } from "bun:test";
import { prefersNostrJson } from "../../src/http/accept.ts";

const NOSTR = "application/nostr+json";

describe("the document is preferred", () => {
  const headers = [
    NOSTR,
    "Application/Nostr+JSON",
    `  ${NOSTR}\t`,
    `${NOSTR}, application/json`,
    `application/json,${NOSTR}`,
    `text/plain;q=0.9 , ${NOSTR};q=0.1 , */*;q=0.8`,
    `${NOSTR};q=1`,
    `${NOSTR};q=1.000`,
    `${NOSTR};q=0.001`,
    `${NOSTR};q=0.333333333333`,
    `${NOSTR};q=1.`,
    `${NOSTR} ; Q = 0.5`,
    `${NOSTR};charset=utf-8`,
    `${NOSTR};charset=utf-8;q=0.2;extension=1`,
    `${NOSTR};title="a,b;q=0\\";q=0"`,
    `text/html;note=", ${NOSTR};q=0", ${NOSTR}`,
    `text/html, ${NOSTR}`,
    `text/html;q=0.5, ${NOSTR};q=0.5`,
    `text/html;q=0, ${NOSTR};q=0.1`,
    `text/*, ${NOSTR};q=0.1`,
    `${NOSTR};q=0, ${NOSTR}`,
    `,,, ${NOSTR} ,`,
    `;;;, ${NOSTR};`,
    `text/html;q=nonsense, ${NOSTR};q=0.1`,
  ];
  for (const header of headers) {
    test(header, () => expect(prefersNostrJson(header)).toBe(true));
  }
});

describe("the page is preferred", () => {
  const headers = [
    "",
    " ",
    "*/*",
    "application/*",
    "application/json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    `${NOSTR};q=0`,
    `${NOSTR};q=0.000`,
    `${NOSTR};q=0, */*`,
    `${NOSTR};q=0.5, text/html`,
    `${NOSTR};q=0.5, TEXT/HTML;q=0.6`,
    `${NOSTR};q=0.9, text/html;q=0.1, text/html;level=1`,
    `${NOSTR};q=`,
    `${NOSTR};q`,
    `${NOSTR};q=2`,
    `${NOSTR};q=1.001`,
    `${NOSTR};q=-1`,
    `${NOSTR};q=.5`,
    `${NOSTR};q=1e0`,
    `${NOSTR};q="1"`,
    `${NOSTR};q=1=1`,
    `${NOSTR}x`,
    `x${NOSTR}`,
    "application/nostr",
    "application / nostr+json",
    `text/plain;note="${NOSTR}"`,
    `text/plain;note=", ${NOSTR}`,
    `"${NOSTR}"`,
    "__proto__, constructor;q=1",
    "\0\uffff\ud800",
  ];
  for (const header of headers) {
    test(JSON.stringify(header), () => expect(prefersNostrJson(header)).toBe(false));
  }

  test("without a header", () => expect(prefersNostrJson(null)).toBe(false));
});

describe("a long hostile header takes linear time", () => {
  // Work that is quadratic in this length takes hours, not the seconds a test may.
  const length = 1_000_000;
  const patterns = [",", ";", '"', "\\", '"\\', "=", ";q=", `${NOSTR},`, "q=0.", " ", "\t,", "/"];
  for (const pattern of patterns) {
    test(JSON.stringify(pattern), () => {
      const filler = pattern.repeat(length / pattern.length);
      expect(prefersNostrJson(`${NOSTR},${filler}`)).toBe(true);
      expect(prefersNostrJson(`${NOSTR};q=0;${filler}`)).toBe(pattern === `${NOSTR},`);
      expect(prefersNostrJson(`${NOSTR};q=0.${"0".repeat(length)}`)).toBe(false);
    });
  }
});
