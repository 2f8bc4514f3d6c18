// A thread of an import that fails as FAULT says, or works as any other.

import { workerData } from "node:worker_threads";
import type { ImportStation } from "../../src/workers/import-pool.ts";

const { role, index } = workerData as ImportStation;
const [failing, how] = (process.env["FAULT"] ?? "").split(" ");
if (role !== failing || index !== 0) {
  await import("../../src/workers/import-worker.ts");
} else if (how === "throws") {
  throw new Error("no such luck");
} else if (how === "exits") {
  process.exit(3);
}
