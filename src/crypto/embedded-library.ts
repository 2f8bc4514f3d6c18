/**
 * Where libsecp256k1 is inside the executable, or null when running from source.
 * scripts/build.ts puts another module in this one's place: it imports the library's file, so the
 * path below points into the executable. Owned by no thread.
 */

export const embeddedLibraryPath: string | null = null;
