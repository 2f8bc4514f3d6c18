// What a log, a metric or a terminal may show of the address of a relay: it may hold a password
// before the host, or a token in its query. Pure.

const ADDRESS = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s"'<>]+)/gi;
const LOGIN = /^[^/?#]*@/;
/** A colon after the address isn't part of it. */
const QUERY = /\?.*?(?=:?$)/;

/** The same text; of every address in it, neither login nor query. */
export function withoutSecrets(text: string): string {
  return text.replace(ADDRESS, (_, scheme: string, rest: string) => {
    return scheme + rest.replace(LOGIN, "").replace(QUERY, "?…");
  });
}
