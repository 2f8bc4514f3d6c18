// The page at "/": what it shows, and that nothing of what is put in becomes markup.

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { defaultSettings, type Settings } from "../../src/config/options.ts";
import { LANDING_PAGE_POLICY, landingPage, webSocketUrlOf } from "../../src/http/landing-page.ts";
import { VERSION } from "../../src/version.ts";

const pageOf = (changes: Partial<Settings>, url: string | null = null) =>
  landingPage({ ...defaultSettings(), ...changes }, url);

/** The text of each row of the page's tables. */
function rowsOf(page: string): Record<string, string> {
  const rows = page.matchAll(/<dt>(.*?)<\/dt><dd>(.*?)<\/dd>/g);
  return Object.fromEntries(
    [...rows].map(([, label = "", value = ""]) => [label, value.replace(/<[^>]*>/g, "")]),
  );
}

const LIMITS = {
  Message: "1,048,576 bytes",
  "Content of an event": "262,144 bytes",
  "Tags of an event": "5,000",
  "Time of an event": "at most 900 s ahead",
  Subscriptions: "200 per connection",
  "Subscription id": "64 characters",
  "Limit of a filter": "1,000; 500 if it states none",
};

test("the page of the default settings shows NIPs and limits", () => {
  const page = pageOf({});
  expect(rowsOf(page)).toEqual({
    NIPs: "01, 04, 09, 11, 13, 17, 40, 42, 45, 50, 59, 62, 67, 70, 77",
    ...LIMITS,
  });
  expect(page.match(/<title>.*<\/title>|<h1>.*<\/h1>|<p>A nandu.*<\/p>/g)).toEqual([
    "<title>nandu</title>",
    "<h1>nandu</h1>",
    "<p>A nandu relay.</p>",
  ]);
  expect(page.match(/<footer>.*<\/footer>/)?.[0]).toBe(
    `<footer><a href="https://github.com/nandu-relay/nandu">nandu</a> ${VERSION}</footer>`,
  );
});

test("the page shows the operator, who is linked to where a link is harmless", () => {
  const page = pageOf({
    "info.pubkey": "ab".repeat(32),
    "info.contact": "mailto:relay@example.com",
    "info.terms_of_service": "https://example.com/?a&b",
    "info.posting_policy": "javascript:alert(1)",
    "info.privacy_policy": "none",
    "events.created_at_behind_s": 3600,
    "relay.count_max": 0,
  });
  expect(rowsOf(page)).toEqual({
    "Public key": "ab".repeat(32),
    Contact: "mailto:relay@example.com",
    "Terms of service": "https://example.com/?a&amp;b",
    "Posting policy": "javascript:alert(1)",
    "Privacy policy": "none",
    NIPs: "01, 04, 09, 11, 13, 17, 40, 42, 50, 59, 62, 67, 70, 77, 86",
    ...LIMITS,
    "Time of an event": "at most 3,600 s old and at most 900 s ahead",
  });
  const links = [...page.matchAll(/href="([^"]*)" rel=/g)].map((match) => match[1]);
  expect(links).toEqual(["mailto:relay@example.com", "https://example.com/?a&amp;b"]);
});

test("a relay without a name and a description has a page all the same", () => {
  const page = pageOf({ "info.name": "", "info.description": "" });
  expect(page.match(/<h1>.*<\/h1>\n.*/)?.[0]).toBe("<h1>Nostr relay</h1>\n");
});

test("nothing that is put in becomes markup", () => {
  const hostile = `</style></title><script>alert("1")</script><img src=x onerror='1'>&amp;`;
  const escaped =
    "&lt;/style&gt;&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" +
    "&lt;img src=x onerror=&#39;1&#39;&gt;&amp;amp;";
  const page = pageOf(
    {
      "info.name": hostile,
      "info.description": hostile,
      "info.pubkey": hostile,
      "info.contact": `https://example.com/${hostile}`,
      "info.terms_of_service": hostile,
    },
    hostile,
  );
  expect(page.split(escaped).length - 1).toBe(8);
  expect(page).not.toContain("<script");
  expect(page).not.toContain("<img");
  const tags = (text: string) => text.match(/<\w+/g)?.length;
  const harmless = pageOf(
    {
      "info.name": "n",
      "info.description": "d",
      "info.pubkey": "p",
      "info.contact": "https://example.com/",
      "info.terms_of_service": "t",
    },
    "u",
  );
  expect(tags(page)).toBe(tags(harmless));
});

test("the policy admits the style of the page and nothing else", () => {
  const style = /<style>([^]*?)<\/style>/.exec(pageOf({}))?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  expect(LANDING_PAGE_POLICY).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; ` +
      "frame-ancestors 'none'",
  );
  expect(pageOf({}).match(/ (?:src|style|on\w+)=|<(?:script|link|img|iframe)\b|url\(/g)).toBeNull();
});

describe("the address of the relay", () => {
  const cases: { host: string | null; proto?: string; url?: string; expected: string | null }[] = [
    { host: "relay.example.com", expected: "ws://relay.example.com" },
    { host: "Relay.Example.COM:7777", expected: "ws://relay.example.com:7777" },
    { host: "127.0.0.1:7777", expected: "ws://127.0.0.1:7777" },
    { host: "[::1]:7777", expected: "ws://[::1]:7777" },
    { host: "xn--nand-0ra.example", expected: "ws://xn--nand-0ra.example" },
    { host: "a.example", proto: "https", expected: "wss://a.example" },
    { host: "a.example", proto: "HTTPS , http", expected: "wss://a.example" },
    { host: "a.example", proto: "wss", expected: "wss://a.example" },
    { host: "a.example", proto: "http", url: "https://a.example/", expected: "ws://a.example" },
    { host: "a.example", proto: "", url: "https://a.example/", expected: "wss://a.example" },
    { host: "a.example", url: "https://a.example/", expected: "wss://a.example" },
    { host: "a.example", proto: "javascript", expected: "ws://a.example" },
    { host: null, expected: null },
    { host: "", expected: null },
    { host: "a/b", expected: null },
    { host: "u@a", expected: null },
    { host: "a, b", expected: null },
    { host: "a:port", expected: null },
    { host: "a:123456", expected: null },
    { host: "[::1", expected: null },
    { host: '"><script>', expected: null },
    { host: "a".repeat(100_000), expected: null },
  ];
  for (const { host, proto, url = "http://a.example/", expected } of cases) {
    test(`of host ${host?.slice(0, 40)}, ${proto}, ${url}`, () => {
      const headers = new Headers();
      if (host !== null) headers.set("host", host);
      if (proto !== undefined) headers.set("x-forwarded-proto", proto);
      expect(webSocketUrlOf(new Request(url, { headers }))).toBe(expected);
    });
  }

  test("is on the page when it is known", () => {
    expect(pageOf({}, "wss://a.example").match(/<p class="address">.*/)?.[0]).toBe(
      '<p class="address"><code>wss://a.example</code></p>',
    );
    expect(pageOf({}, null)).not.toContain('<p class="address">');
  });
});
