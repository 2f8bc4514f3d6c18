// Reads Prometheus' text format, version 0.0.4, as its documentation has it, and strictly: what a
// scraper would stumble over fails the test. Samples by name and labels, as they are written.

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
const SAMPLE = new RegExp(
  `^(${NAME})(\\{${LABEL}(?:,${LABEL})*\\})? (-?[0-9]+(?:\\.[0-9]+)?(?:e[+-][0-9]+)?)$`,
);
const HEAD = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`);
const TYPES = ["counter", "gauge"];

/** Throws where the text isn't of that format. */
export function parseMetrics(text: string): Map<string, number> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const samples = new Map<string, number>();
  const seen = new Set<string>();
  let [name, type] = ["", ""];
  for (const line of text.slice(0, -1).split("\n")) {
    const [, what, named = "", said = ""] = HEAD.exec(line) ?? [];
    if (what === "HELP") {
      if (seen.has(named)) throw new Error(`${named} is there a second time`);
      if (said === "") throw new Error(`${named} has no help`);
      seen.add(named);
      [name, type] = [named, ""];
      continue;
    }
    if (what === "TYPE") {
      if (named !== name || !TYPES.includes(said)) throw new Error(`out of place: ${line}`);
      if ((said === "counter") !== name.endsWith("_total")) throw new Error(`misnamed: ${line}`);
      type = said;
      continue;
    }
    const [, sampled, labels = "", value] = SAMPLE.exec(line) ?? [];
    if (sampled === undefined) throw new Error(`no sample: ${line}`);
    if (sampled !== name || type === "") throw new Error(`without its head: ${line}`);
    if (samples.has(sampled + labels)) throw new Error(`a second time: ${line}`);
    samples.set(sampled + labels, Number(value));
  }
  return samples;
}
