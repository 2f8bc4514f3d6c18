// Content negotiation of "/": does a client ask for the relay information document (NIP-11) or for
// the page? Pure; belongs to no thread. Reads the Accept header of RFC 9110, 12.5.1, which anybody
// may send: one pass over each character per separator, and never an exception.

/** `0` to `1` (RFC 9110, 12.4.2), but with any number of decimals: clients print 1/3 as it is. */
const QUALITY = /^(?:0(?:\.[0-9]*)?|1(?:\.0*)?)$/;

/**
 * True when application/nostr+json is named itself, not by a wildcard, and not with a lower quality
 * than text/html. A browser sends wildcards and wants the page; so does a bare `curl`.
 */
export function prefersNostrJson(accept: string | null): boolean {
  if (accept === null) return false;
  let nostr = 0;
  let html = 0;
  for (const range of splitUnquoted(accept, ",")) {
    const [type = "", ...parameters] = splitUnquoted(range, ";");
    switch (type.trim().toLowerCase()) {
      case "application/nostr+json":
        nostr = Math.max(nostr, qualityOf(parameters));
        break;
      case "text/html":
        html = Math.max(html, qualityOf(parameters));
        break;
    }
  }
  return nostr > 0 && nostr >= html;
}

/** 1 where none is given; 0, as if the type had not been named, where it is malformed. */
function qualityOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = "", ...value] = parameter.split("=");
    if (name.trim().toLowerCase() !== "q") continue;
    const text = value.join("=").trim();
    return QUALITY.test(text) ? Number(text) : 0;
  }
  return 1;
}

/** Splits at a separator outside of quoted strings. One left open goes on to the end. */
function splitUnquoted(text: string, separator: "," | ";"): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted && character === "\\") index++;
    else if (!isQuoted && character === separator) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
