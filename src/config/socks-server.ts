// A SOCKS5 server as an operator writes it: 127.0.0.1:9050, localhost, [::1]:1080, perhaps with
// USER:PASSWORD@ before it, and socks5:// or socks5h:// before all. Pure; belongs to no thread.

export interface SocksServer {
  readonly host: string;
  readonly port: number;
  readonly login: { readonly username: string; readonly password: string } | null;
}

/** Of SOCKS (RFC 1928, IANA). */
const PORT_DEFAULT = 1080;
/** RFC 1929: a byte says how long each is. */
const LOGIN_BYTES_MAX = 255;
const SCHEME = /^socks5h?:\/\//i;

/** Null for anything else. */
export function parseSocksServer(text: string): SocksServer | null {
  const url = URL.parse(`socks5h://${text.replace(SCHEME, "")}`);
  if (url === null || url.hostname === "" || url.search !== "" || url.hash !== "") return null;
  if (url.pathname !== "" && url.pathname !== "/") return null;
  const [username, password] = [decode(url.username), decode(url.password)];
  if (username === null || password === null || (username === "" && password !== "")) return null;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? PORT_DEFAULT : Number(url.port),
    login: username === "" ? null : { username, password },
  };
}

function decode(text: string): string | null {
  try {
    const decoded = decodeURIComponent(text);
    return Buffer.byteLength(decoded) <= LOGIN_BYTES_MAX ? decoded : null;
  } catch {
    return null;
  }
}
