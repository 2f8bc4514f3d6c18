// Small plain charts as SVG, without dependencies: logarithmic axes, a line and its points for each
// thing measured, its name at its end. Readable on light and on dark pages.

import type { Chart, Line } from "./growth.ts";

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = { left: 70, right: 170, top: 40, bottom: 50 };
const COLORS = ["#2f7ed8", "#d9822b", "#3a9d5d", "#a855b5"];
const GREY = "#808080";
const LABEL_HEIGHT = 16;

interface Scale {
  /** Powers of ten, and what lies between them. */
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

/** 950, 10k, 1M. */
export function shortNumber(value: number): string {
  if (value >= 1e6) return `${trim(value / 1e6)}M`;
  if (value >= 10_000) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** Logarithmic, from a power of ten (or 2 or 5 of it) to another; zero stands at the start. */
function logScale(values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0);
  const min = Math.min(...positive);
  const max = Math.max(...positive);
  const steps: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const digit of [1, 2, 5]) steps.push(digit * 10 ** power);
  }
  const first = Math.max(
    0,
    steps.findLastIndex((step) => step <= min),
  );
  const last = steps.findIndex((step) => step >= max && step > (steps[first] as number));
  const ticks = steps.slice(first, last + 1);
  const low = Math.log10(ticks[0] as number);
  const high = Math.log10(ticks.at(-1) as number);
  const at = (value: number): number => {
    const share = (Math.log10(Math.max(value, ticks[0] as number)) - low) / (high - low);
    return from + share * (to - from);
  };
  // More than about ten labels would touch: then only powers of ten have one.
  const isPower = (tick: number): boolean =>
    Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6);
  return { ticks: ticks.length > 10 ? ticks.filter(isPower) : ticks, at };
}

function text(x: number, y: number, content: string, more = ""): string {
  const safe = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${safe}</text>`;
}

function rule(x1: number, y1: number, x2: number, y2: number, opacity: number): string {
  const ends = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  const [a, b, c, d] = ends;
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${GREY}" opacity="${opacity}"/>`;
}

function drawLine(
  { name, points }: Line,
  color: string,
  x: Scale,
  y: Scale,
  labelY: number,
): string {
  const places = points.map(([px, py]) => `${x.at(px).toFixed(1)},${y.at(py).toFixed(1)}`);
  const dots = places.map((place) => {
    const [cx, cy] = place.split(",");
    return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`;
  });
  return [
    `<polyline points="${places.join(" ")}" fill="none" stroke="${color}" stroke-width="2"/>`,
    ...dots,
    text(WIDTH - MARGIN.right + 10, labelY, name, `fill="${color}"`),
  ].join("\n");
}

/** Where each line's name stands: at its end, but never two on one another. */
function labelPlaces(lines: readonly Line[], y: Scale): number[] {
  const wanted = lines.map(({ points }, i) => ({ i, at: y.at(points.at(-1)?.[1] ?? 1) + 4 }));
  wanted.sort((a, b) => a.at - b.at);
  const places: number[] = [];
  let free = Number.NEGATIVE_INFINITY;
  for (const { i, at } of wanted) {
    places[i] = Math.max(at, free);
    free = (places[i] as number) + LABEL_HEIGHT;
  }
  return places;
}

export function drawChart({ title, xLabel, yLabel, lines }: Chart): string {
  const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
  const [top, bottom] = [MARGIN.top, HEIGHT - MARGIN.bottom];
  const all = lines.flatMap(({ points }) => points);
  const x = logScale(
    all.map(([value]) => value),
    left,
    right,
  );
  const y = logScale(
    all.map(([, value]) => value),
    bottom,
    top,
  );
  const places = labelPlaces(lines, y);
  const turned = `transform="translate(16 ${(top + bottom) / 2}) rotate(-90)"`;
  const parts = [
    text(left, 22, title, `fill="${GREY}" font-size="15" font-weight="bold"`),
    ...y.ticks.flatMap((tick) => [
      rule(left, y.at(tick), right, y.at(tick), 0.25),
      text(left - 8, y.at(tick) + 4, shortNumber(tick), `fill="${GREY}" text-anchor="end"`),
    ]),
    ...x.ticks.flatMap((tick) => [
      rule(x.at(tick), bottom, x.at(tick), bottom + 5, 0.7),
      text(x.at(tick), bottom + 19, shortNumber(tick), `fill="${GREY}" text-anchor="middle"`),
    ]),
    rule(left, bottom, right, bottom, 0.7),
    text((left + right) / 2, HEIGHT - 10, xLabel, `fill="${GREY}" text-anchor="middle"`),
    text(0, 0, yLabel, `fill="${GREY}" text-anchor="middle" ${turned}`),
    ...lines.map((line, i) =>
      drawLine(line, COLORS[i % COLORS.length] as string, x, y, places[i] as number),
    ),
  ];
  const open =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" ` +
    `height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`;
  return `${open}\n${parts.join("\n")}\n</svg>\n`;
}
