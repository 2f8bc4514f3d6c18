// HTTP as bytes, for requests that no client library sends.

export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The lines of a good WebSocket handshake, with changes; null leaves a header out. */
export function handshake(path: string, changes: Record<string, string | null> = {}): string {
  const headers: Record<string, string | null> = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...changes,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}`],
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** Sends the text and returns the first response; null when the relay hangs up without one. */
export async function rawRequest(port: number, text: string): Promise<RawResponse | null> {
  let received = "";
  return new Promise((resolve, reject) => {
    const done = (response: RawResponse | null): void => {
      resolve(response);
      void socket.then((open) => open.end());
    };
    const socket = Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (open) => void open.write(text),
        data: (_, chunk) => {
          received += chunk.toString("latin1");
          const response = parseResponse(received);
          if (response !== null) done(response);
        },
        close: () => resolve(null),
        error: (_, error) => reject(error),
      },
    });
    socket.catch(reject);
  });
}

/** Null until the headers, and as much of the body as they announce, are there. */
function parseResponse(text: string): RawResponse | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const status = Number(statusLine.split(" ")[1]);
  const bytes = status === 101 ? 0 : Number(headers.get("content-length") ?? 0);
  const body = text.slice(end + 4);
  if (body.length < bytes) return null;
  return { status, headers, body: Buffer.from(body.slice(0, bytes), "latin1").toString("utf8") };
}
