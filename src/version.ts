/**
 * Which nandu this is. Owned by no thread and imports nothing of the project.
 * The version is package.json's, read from disk when running from source and bundled by the build;
 * the commit is written in by scripts/build.ts and unknown when running from source.
 */

import { version } from "../package.json";

/** Replaced by the build with the short hash, or with null outside a git clone. */
declare const NANDU_COMMIT: string | null | undefined;

export const VERSION: string = version;

export const COMMIT: string | null = typeof NANDU_COMMIT === "string" ? NANDU_COMMIT : null;
