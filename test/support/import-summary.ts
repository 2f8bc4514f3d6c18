// What `nandu import` reports, as tests can compare it.

/** Without the time that it took, and what is shown meanwhile when that is more than a second. */
export function summaryOf(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => !/^\d+ lines, \d+ stored, \d+\/s$/.test(line));
  return lines.join("\n").replace(/ in [0-9.]+ s \([0-9]+\/s\)/g, "");
}
