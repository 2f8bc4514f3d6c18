// The page that a browser gets at "/": what the relay information document says, for people. Pure;
// belongs to no thread. One HTML text without scripts and without anything loaded from elsewhere.
// The operator's words come from the settings and the host from the client: all of it is escaped.

import { createHash } from "node:crypto";
import type { Settings } from "../config/options.ts";
import type { Limitation, RelayInformation } from "./relay-information.ts";
import { relayInformation, SOFTWARE } from "./relay-information.ts";

const STYLE = `
:root { color-scheme: light dark; --text: #1d1b22; --soft: #625d6b; --line: #dcd8e2;
  --back: #fbfafc; --accent: #6b2fb3; }
@media (prefers-color-scheme: dark) { :root { --text: #ebe8ef; --soft: #a49dad; --line: #3a3542;
  --back: #17151b; --accent: #c39bf2; } }
body { margin: 0 auto; max-width: 42rem; padding: 3rem 1.25rem; color: var(--text);
  background: var(--back); font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 0.5rem; font-size: 1.1rem; }
p { white-space: pre-line; }
a { color: var(--accent); }
code { font-family: ui-monospace, monospace; font-size: 0.95em; }
.address { padding: 0.75rem 1rem; border: 1px solid var(--line); border-radius: 0.5rem; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: 0.25rem 1.5rem;
  margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: 0.9rem; }
`;

/** Nothing may load, run, be sent or frame the page; the style is admitted by its hash. */
export const LANDING_PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** What a Host header may hold to be shown: a name or an address, and perhaps a port. */
const HOST = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/i;

/** HTML in which all text is escaped already. Only `markup` and `raw` make it. */
interface Markup {
  readonly html: string;
}

/** The page as text. `webSocketUrl` is what clients connect to, or null where that is unknown. */
export function landingPage(settings: Settings, webSocketUrl: string | null): string {
  const information = relayInformation(settings);
  const title = information.name ?? "Nostr relay";
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${join(information.description === undefined ? [] : [markup`<p>${information.description}</p>`])}
<p>This is a Nostr relay. Add its address to a Nostr client to use it.</p>
${join(webSocketUrl === null ? [] : [markup`<p class="address"><code>${webSocketUrl}</code></p>`])}
${section("Operator", operatorRows(information))}
${section("Features", [["NIPs", join(information.supported_nips.map(nipLink), ", ")]])}
${section("Limits", limitRows(information.limitation))}
</main>
<footer><a href="${SOFTWARE}">nandu</a> ${information.version}</footer>
</body>
</html>
`;
  return page.html;
}

/**
 * The address of the relay as the client of this request sees it, or null when its Host header is
 * not one. The scheme is the reverse proxy's word (X-Forwarded-Proto) where there is one, from
 * anybody: it changes nothing but what the sender itself is shown.
 */
export function webSocketUrlOf(request: Request): string | null {
  const host = request.headers.get("host");
  if (host === null || !HOST.test(host)) return null;
  const [forwarded = ""] = request.headers.get("x-forwarded-proto")?.split(",", 1) ?? [];
  const scheme = forwarded.trim().toLowerCase() || request.url.split(":", 1)[0];
  return `${scheme === "https" || scheme === "wss" ? "wss" : "ws"}://${host.toLowerCase()}`;
}

type Row = readonly [label: string, value: Markup];

function operatorRows(information: RelayInformation): Row[] {
  const links = [
    ["Contact", information.contact],
    ["Terms of service", information.terms_of_service],
    ["Posting policy", information.posting_policy],
    ["Privacy policy", information.privacy_policy],
  ] as const;
  const rows: Row[] = [];
  if (information.pubkey !== undefined) {
    rows.push(["Public key", markup`<code>${information.pubkey}</code>`]);
  }
  for (const [label, value] of links) if (value !== undefined) rows.push([label, link(value)]);
  return rows;
}

function limitRows(limitation: Limitation): Row[] {
  const { created_at_lower_limit: behindS, created_at_upper_limit: aheadS } = limitation;
  const { max_limit: limitMax, default_limit: limitDefault } = limitation;
  const age = behindS === undefined ? "" : `at most ${count(behindS)} s old and `;
  const rows = [
    ["Message", `${count(limitation.max_message_length)} bytes`],
    ["Content of an event", `${count(limitation.max_content_length)} bytes`],
    ["Tags of an event", count(limitation.max_event_tags)],
    ["Time of an event", `${age}at most ${count(aheadS)} s ahead`],
    ["Subscriptions", `${count(limitation.max_subscriptions)} per connection`],
    ["Subscription id", `${count(limitation.max_subid_length)} characters`],
    ["Limit of a filter", `${count(limitMax)}; ${count(limitDefault)} if it states none`],
  ] as const;
  return rows.map(([label, value]) => [label, markup`${value}`]);
}

function section(heading: string, rows: readonly Row[]): Markup {
  if (rows.length === 0) return raw("");
  const items = rows.map(([label, value]) => markup`<dt>${label}</dt><dd>${value}</dd>`);
  return markup`<section>
<h2>${heading}</h2>
<dl>
${join(items, "\n")}
</dl>
</section>`;
}

function nipLink(nip: number): Markup {
  const name = String(nip).padStart(2, "0");
  return markup`<a href="https://github.com/nostr-protocol/nips/blob/master/${name}.md">${name}</a>`;
}

/** A link where that is harmless: a `javascript:` of the settings stays text. */
function link(text: string): Markup {
  if (!/^(?:https?:\/\/|mailto:)/i.test(text)) return markup`${text}`;
  return markup`<a href="${text}" rel="nofollow noopener noreferrer">${text}</a>`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** Escapes the strings put in, for text and for quoted attributes, and leaves Markup as it is. */
function markup(parts: TemplateStringsArray, ...values: (string | Markup)[]): Markup {
  return raw(
    String.raw({ raw: parts }, ...values.map((v) => (typeof v === "string" ? escape(v) : v.html))),
  );
}

/** For constants of this file and for what `markup` made. */
function raw(html: string): Markup {
  return { html };
}

function join(items: readonly Markup[], separator = ""): Markup {
  return raw(items.map(({ html }) => html).join(separator));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
