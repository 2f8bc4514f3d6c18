// A nandu under test: an executable of some revision, or the source. Only what any revision has is
// used: the command line, WebSockets, HTTP. It starts relays on empty, copied or kept databases.

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { nanduCommand, RelayProcess } from "../support/relay-process.ts";
import { readMemory } from "./meter.ts";
import type { Dataset } from "./dataset-file.ts";

/** Of each size; a pair, because two executables may be compared. */
const PREPARED_KEPT = 2;

const WATCH_MS = 20;
const INDEX_LOOK_MS = 500;
/** For databases that nobody would miss, kept in memory as far as possible while they are made. */
const HASTY = [
  "--store-synchronous=off",
  "--store-cache-bytes=2147483648",
  "--store-checkpoint-pages=200000",
];

export interface CommandCost {
  readonly wallMs: number;
  /** User + system of the whole process. */
  readonly cpuUs: number;
  readonly rssBytesMax: number;
  readonly stderr: string;
}

export class Target {
  readonly name: string;
  private readonly command: readonly string[];
  /** Of the executable's content; null for the source, for which nothing is kept. */
  private readonly hash: string | null;
  private readonly workDir: string;
  private readonly made: string[] = [];
  /** What the source has prepared, by fingerprint: gone with the process's other folders. */
  private readonly preparedHere = new Map<string, string>();

  /** `executable` null runs from source. Databases are made in `workDir`. */
  constructor(name: string, executable: string | null, workDir: string) {
    this.name = name;
    this.workDir = workDir;
    this.command = executable === null ? nanduCommand() : [executable];
    this.hash =
      executable === null
        ? null
        : new Bun.CryptoHasher("sha256")
            .update(readFileSync(executable))
            .digest("hex")
            .slice(0, 12);
    mkdirSync(join(workDir, "db"), { recursive: true });
    dropLeftovers(join(workDir, "tmp"));
  }

  /** Gone with `cleanUp`. */
  makeFolder(): string {
    const parent = join(this.workDir, "tmp", String(process.pid));
    mkdirSync(parent, { recursive: true });
    const folder = mkdtempSync(join(parent, "db-"));
    this.made.push(folder);
    return folder;
  }

  /** The last thing. */
  dispose(): void {
    rmSync(join(this.workDir, "tmp", String(process.pid)), { recursive: true, force: true });
  }

  cleanUp(): void {
    for (const folder of this.made.splice(0)) rmSync(folder, { recursive: true, force: true });
  }

  startRelay(dataDir: string, flags: readonly string[] = []): Promise<RelayProcess> {
    const skipped = nanduCommand().length;
    const wrap = (command: readonly string[]): string[] => [
      ...this.command,
      ...command.slice(skipped),
    ];
    return RelayProcess.start({ dataDir, flags, wrap });
  }

  /** Runs a command to its end; throws when it fails. What it prints goes to a file. */
  async run(
    args: readonly string[],
    dataDir: string,
    stdoutPath = "/dev/null",
  ): Promise<CommandCost> {
    const startedAt = performance.now();
    const child = Bun.spawn([...this.command, ...args, `--data-dir=${dataDir}`], {
      cwd: dataDir,
      stdin: "ignore",
      stdout: Bun.file(stdoutPath),
      stderr: "pipe",
    });
    let rssBytesMax = 0; // what wait4(2) gives would count this process before its exec
    const watch = setInterval(() => {
      rssBytesMax = Math.max(rssBytesMax, readMemory(child.pid).rssBytesMax);
    }, WATCH_MS);
    const stderr = await new Response(child.stderr).text();
    const code = await child.exited;
    clearInterval(watch);
    const wallMs = performance.now() - startedAt;
    if (code !== 0) throw new Error(`nandu ${args.join(" ")}: exit code ${code}\n${stderr}`);
    const cpuUs = Number(child.resourceUsage()?.cpuTime.total ?? Number.NaN);
    return { wallMs, cpuUs, rssBytesMax, stderr };
  }

  /** A folder with a database of the whole set, kept for the next run. To be read only. */
  async prepared(dataset: Dataset): Promise<string> {
    if (this.hash === null) {
      const known = this.preparedHere.get(dataset.fingerprint);
      if (known !== undefined) return known;
      const folder = this.makeFolder();
      this.made.pop(); // kept for the next scenario
      await this.run(["import", "--no-verify", dataset.path], folder);
      await this.settle(folder);
      this.preparedHere.set(dataset.fingerprint, folder);
      return folder;
    }
    const parent = join(this.workDir, "db");
    const size = `${dataset.count}-`;
    const folder = join(parent, `${size}${this.hash}-${dataset.fingerprint.slice(0, 12)}`);
    if (!existsSync(folder)) {
      dropOldest(parent, size, PREPARED_KEPT - 1);
      const unfinished = this.makeFolder();
      await this.prepare(dataset, unfinished);
      renameSync(unfinished, folder);
    }
    utimesSync(folder, new Date(), new Date());
    return folder;
  }

  /** A million events take a quarter of the time so; a revision may not know the flags. */
  private async prepare(dataset: Dataset, folder: string): Promise<void> {
    const command = ["import", "--no-verify", dataset.path];
    try {
      await this.run([...command, ...HASTY], folder);
    } catch {
      await this.run(command, folder);
    }
    await this.settle(folder);
    sync();
  }

  /** What a relay would do by and by after an import, while something is measured. */
  async settle(folder: string): Promise<void> {
    try {
      await this.run(["negentropy", "build", "0"], folder);
    } catch {
      // An older revision has no running sums.
    }
    if (!(await this.isIndexing(folder))) return;
    const relay = await this.startRelay(folder);
    while (await this.isIndexing(folder)) await Bun.sleep(INDEX_LOOK_MS);
    await relay.stop();
  }

  /** Whether events are still to be indexed for searches; an older revision has none. */
  private async isIndexing(folder: string): Promise<boolean> {
    const path = join(folder, "info.txt");
    await this.run(["info"], folder, path);
    const behind = /^search .* (\d+) behind/m.exec(readFileSync(path, "utf8"))?.[1] ?? "0";
    rmSync(path);
    return Number(behind) > 0;
  }

  /** The same, to be written to. */
  async preparedCopy(dataset: Dataset): Promise<string> {
    const from = await this.prepared(dataset);
    const folder = this.makeFolder();
    cpSync(from, folder, { recursive: true });
    sync();
    return folder;
  }
}

/** Or the disk would still be busy with what was made when something is measured. */
function sync(): void {
  Bun.spawnSync(["sync"]);
}

/** Folders of processes that were killed before they could tidy up. */
function dropLeftovers(parent: string): void {
  mkdirSync(parent, { recursive: true });
  for (const pid of readdirSync(parent)) {
    if (!existsSync(`/proc/${pid}`)) rmSync(join(parent, pid), { recursive: true, force: true });
  }
}

/** Of the folders in `parent` whose names begin so, keeps the `kept` last used. */
export function dropOldest(parent: string, start: string, kept: number): void {
  const found = readdirSync(parent)
    .filter((name) => name.startsWith(start))
    .map((name) => join(parent, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of found.slice(kept)) rmSync(path, { recursive: true, force: true });
}

/** What the files of a database folder take, in bytes. */
export function folderBytes(folder: string): number {
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  return sizes.reduce((sum, size) => sum + size, 0);
}
