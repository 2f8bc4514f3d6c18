// Relay addresses as clients write them, and whether one means this relay (NIP-42, NIP-62). Pure.
//
// Compared are host, port and path: not the scheme, for behind a proxy wss:// and ws:// lead to the
// same relay; not the case of the host, a trailing slash, a query, or a port that is the scheme's
// own. The host decides: a sign-in for another relay must not work here, where that relay could use
// it.

/** `host[:port]/path` in lower case up to the path; null when the text is no relay's address. */
export function normalizeRelayUrl(text: string): string | null {
  const match = /^(?:wss?|https?):\/\//i.exec(text.trim());
  if (match === null) return null;
  try {
    // Read as http(s), for which URL knows the default port in every runtime.
    const url = new URL(text.trim().replace(/^ws/i, "http"));
    if (url.username !== "" || url.password !== "" || url.hostname === "") return null;
    return `${hostOf(url)}${url.port === "" ? "" : `:${url.port}`}${trimSlashes(url.pathname)}`;
  } catch {
    return null; // a scheme and then no address
  }
}

/** A name may end with the dot of the root. */
function hostOf(url: URL): string {
  return url.hostname.replace(/\.$/, "");
}

function trimSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end -= 1;
  return path.slice(0, end);
}

/** Whether an address means this relay. */
export type IsThisRelay = (url: string) => boolean;

/**
 * `urls`: the relay's public addresses. Without any, those count that can only mean this machine:
 * `ownHosts`, names and addresses without a port. Another relay's operator has no such address, so
 * what was signed for their relay is not taken here.
 */
export function compileRelayUrls(
  urls: readonly string[],
  ownHosts: readonly string[],
): IsThisRelay {
  const known = new Set(urls.map(normalizeRelayUrl));
  if (known.size > 0) {
    return (url) => {
      const normalized = normalizeRelayUrl(url);
      return normalized !== null && known.has(normalized);
    };
  }
  const hosts = new Set(ownHosts.map((host) => host.toLowerCase()));
  return (url) => {
    const normalized = normalizeRelayUrl(url);
    return normalized !== null && hosts.has(hostPart(normalized));
  };
}

/** Without port and path; an IPv6 address without its brackets. */
function hostPart(normalized: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:/]*))/.exec(normalized);
  return match?.[1] ?? match?.[2] ?? "";
}
