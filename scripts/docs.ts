// Writes the generated pages of docs/. With --check it writes nothing, and exits with 1 if a page
// isn't what it would write. What renders a page makes it so that `bun fmt` leaves it alone.
// Usage: scripts/docs.ts [--check]

import { join } from "node:path";
import { renderDocs } from "../src/config/render.ts";

const ROOT = join(import.meta.dir, "..");
const PAGES: readonly { path: string; render: () => string }[] = [
  { path: "docs/configuration.md", render: renderDocs },
];

const check = process.argv.includes("--check");
for (const { path, render } of PAGES) {
  const file = Bun.file(join(ROOT, path));
  const text = render();
  if (check) {
    if ((await file.exists()) && (await file.text()) === text) continue;
    console.error(`${path} is stale: run scripts/docs.ts`);
    process.exitCode = 1;
  } else {
    await Bun.write(file, text);
    console.log(`wrote ${path}`);
  }
}
