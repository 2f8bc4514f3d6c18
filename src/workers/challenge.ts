// The challenge of a connection (NIP-42). It follows from a secret of this process and the
// connection's number, so that the main thread, which sends it, and the ingester, which checks the
// answer, need not tell each other, and an idle connection keeps nothing. Pure.

const SECRET_BYTES = 32;
/** 128 bits in hex: nobody guesses another connection's. */
const CHALLENGE_LENGTH = 32;

export function makeChallengeSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString("hex");
}

/** The same for the whole life of the connection. */
export function challengeOf(secret: string, connId: number): string {
  const hmac = new Bun.CryptoHasher("sha256", secret);
  return hmac.update(String(connId)).digest("hex").slice(0, CHALLENGE_LENGTH);
}
