// Addresses of relays, compared as clients write them: http stands for ws and https for wss, case
// of scheme and host doesn't count, nor does the default port or a slash at the end. Pure.

const SCHEMES: Readonly<Record<string, string>> = {
  "ws:": "ws:",
  "http:": "ws:",
  "wss:": "wss:",
  "https:": "wss:",
};

/** One spelling of each address: wss://host[:port]/path, without fragment; null for no address. */
export function normalizeRelayUrl(text: string): string | null {
  const written = URL.parse(text.trim());
  const scheme = SCHEMES[written?.protocol ?? ""];
  if (written === null || scheme === undefined || written.hostname === "") return null;
  if (written.username !== "" || written.password !== "") return null;
  const path = written.pathname.replace(/\/+$/, "");
  return `${scheme}//${written.host}${path}/${written.search}`;
}

export function sameRelayUrl(a: string, b: string): boolean {
  const normal = normalizeRelayUrl(a);
  return normal !== null && normal === normalizeRelayUrl(b);
}
