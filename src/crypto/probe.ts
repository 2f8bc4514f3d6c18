/**
 * The known answers a signature backend must give before it is trusted with anybody's events, and
 * the speed test of `nandu info`, which checks the same signature over and over.
 * Vector 1 of BIP-340 (https://github.com/bitcoin/bips/blob/master/bip-0340/test-vectors.csv).
 */

import type { SignatureBackend } from "./signature.ts";

export const probeId = fromHex("243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89");
export const probePubkey = fromHex(
  "DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
);
export const probeSig = fromHex(
  "6896BD60EEAE296DB48A229FF71DFE071BDE413E6D43F917DC8DCF8C78DE3341" +
    "8906D11AC976ABCCB20B091292BFF4EA897EFCB639EA871CFA95F6DE339E4B0A",
);

const probeSecret = fromHex("B7E151628AED2A6ABF7158809CF4F3C762E7160F38B4DA56A784D9045190CFEF");
const probeRandom = fromHex("01".padStart(64, "0"));

/** Accepts a good signature, refuses it for another message, and makes the same one. */
export function passesProbe(backend: SignatureBackend): boolean {
  const otherId = probeId.slice();
  otherId[31] = (otherId[31] ?? 0) ^ 1;
  return (
    backend.verify(probeId, probePubkey, probeSig) &&
    !backend.verify(otherId, probePubkey, probeSig) &&
    Buffer.compare(backend.publicKey(probeSecret), probePubkey) === 0 &&
    Buffer.compare(backend.sign(probeId, probeSecret, probeRandom), probeSig) === 0
  );
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}
