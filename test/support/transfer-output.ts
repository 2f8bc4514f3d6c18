// What download, upload, stream and sync report, as tests can compare it.

/** Without times, and without what is shown meanwhile when that is more than a second. */
export function reportOf(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => !/^(?:down|up) \d+.*\/s$/.test(line));
  return lines
    .join("\n")
    .replace(/ in [0-9.]+ s \([0-9]+\/s\)/g, "")
    .replace(/: again in [0-9.]+ s/g, ": again");
}
