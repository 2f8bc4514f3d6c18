/**
 * How fast this machine checks signatures, for `nandu info`.
 * Owned by no thread: it blocks the one that calls it for the time it was given.
 */

import { probeId, probePubkey, probeSig } from "./probe.ts";
import type { SignatureBackend } from "./signature.ts";

/** Checks between two looks at the clock: under 5 ms even with the slow backend. */
const checksPerRound = 8;

/** Part of the time that goes to warming up, before anything is counted: the JIT needs it. */
const warmUpShare = 0.25;

/** Checks a second, over `durationMs` of wall-clock time on the calling thread. */
export function measureChecksPerSecond(backend: SignatureBackend, durationMs: number): number {
  runChecks(backend, durationMs * warmUpShare);
  return Math.round(runChecks(backend, durationMs * (1 - warmUpShare)));
}

function runChecks(backend: SignatureBackend, durationMs: number): number {
  const startMs = performance.now();
  let checks = 0;
  let elapsedMs = 0;
  do {
    for (let i = 0; i < checksPerRound; i++) backend.verify(probeId, probePubkey, probeSig);
    checks += checksPerRound;
    elapsedMs = performance.now() - startMs;
  } while (elapsedMs < durationMs);
  return (checks * 1000) / elapsedMs;
}
