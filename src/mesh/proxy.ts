// Which HTTP proxy leads to a relay, by the environment as curl and most programs read it:
// HTTPS_PROXY for wss://, HTTP_PROXY for ws://, else ALL_PROXY; lower-case names count as well, and
// first; NO_PROXY names the hosts that are reached directly. Pure.

export type Environment = Readonly<Record<string, string | undefined>>;

/** A URL, or null for none. */
export function proxyFor(url: string, env: Environment): string | null {
  const { protocol, hostname, port } = new URL(url);
  if (isDirect(hostname, port, valueOf(env, "NO_PROXY"))) return null;
  const own = protocol === "wss:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = valueOf(env, own) || valueOf(env, "ALL_PROXY");
  if (proxy === "") return null;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

function valueOf(env: Environment, name: string): string {
  return (env[name.toLowerCase()] || env[name] || "").trim();
}

/** A list of names, which mean their subdomains too, with or without a port; `*` is all. */
function isDirect(hostname: string, port: string, list: string): boolean {
  const host = hostname.toLowerCase();
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const name = entry.replace(/^\*?\./, "");
      if (name === "") return false;
      return [host, `${host}:${port}`].some((one) => one === name || one.endsWith(`.${name}`));
    });
}
