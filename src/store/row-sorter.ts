// Sorts more index rows than memory should hold, by means of a file: the rows go to it in sorted
// runs, and come back in one order, a window of each run in memory. The file lies beside the
// database, where there is room, and loses its name at once, so that a crash leaves nothing.
//
//   file   runs one after another, each of rows, each of five f64: key, age, ord, seq, info

import { openSync, closeSync, readSync, rmSync, writeSync } from "node:fs";
import { Run } from "./run.ts";
import type { TermRow } from "./term.ts";

const COLUMNS = 5;
const ROW_BYTES = COLUMNS * 8;
/** Of each run in memory, 40 KiB: a million events make some 75 runs. */
const WINDOW_ROWS = 1024;
/** Rows handed over at once. */
const PIECE_ROWS = 4096;

export class RowSorter {
  private readonly file: number;
  private readonly windowRows: number;
  private readonly runs: RunWindow[] = [];
  private bytes = 0;

  constructor(path: string, windowRows = WINDOW_ROWS) {
    this.file = openSync(path, "w+");
    rmSync(path);
    this.windowRows = windowRows;
  }

  /** One run of rows, in any order. */
  add(rows: TermRow[]): void {
    const { length, keys, ages, orders, seqs, infos } = Run.of(rows);
    const cells = new Float64Array(COLUMNS * length);
    for (let i = 0; i < length; i++) {
      const at = COLUMNS * i;
      cells[at] = keys[i] as number;
      cells[at + 1] = ages[i] as number;
      cells[at + 2] = orders[i] as number;
      cells[at + 3] = seqs[i] as number;
      cells[at + 4] = infos[i] as number;
    }
    writeAll(this.file, new Uint8Array(cells.buffer), this.bytes);
    this.runs.push(new RunWindow(this.file, this.bytes, length, this.windowRows));
    this.bytes += cells.byteLength;
  }

  /** Visits all rows in the order of the index, many at once, their columns one after another. */
  each(visit: (values: number[]) => void): void {
    const heap = this.runs.filter((run) => run.next());
    for (let i = heap.length >> 1; i >= 0; i--) sink(heap, i);
    let values: number[] = [];
    for (let first = heap[0]; first !== undefined; first = heap[0]) {
      first.pushRow(values);
      if (values.length === COLUMNS * PIECE_ROWS) {
        visit(values);
        values = [];
      }
      if (!first.next()) {
        const last = heap.pop() as RunWindow;
        if (heap.length > 0) heap[0] = last;
      }
      sink(heap, 0);
    }
    if (values.length > 0) visit(values);
  }

  [Symbol.dispose](): void {
    closeSync(this.file);
  }
}

/** A place in a run. */
class RunWindow {
  private readonly file: number;
  private readonly windowRows: number;
  private offset: number;
  private rowsLeft: number;
  private cells = new Float64Array(0);
  private at = 0;

  constructor(file: number, offset: number, rows: number, windowRows: number) {
    this.file = file;
    this.offset = offset;
    this.rowsLeft = rows;
    this.windowRows = windowRows;
  }

  /** Goes to the next row, at first to the first one; false when there is none. */
  next(): boolean {
    this.at += COLUMNS;
    if (this.at < this.cells.length) return true;
    const rows = Math.min(this.rowsLeft, this.windowRows);
    if (this.cells.length !== COLUMNS * rows) this.cells = new Float64Array(COLUMNS * rows);
    this.at = 0;
    if (rows === 0) return false;
    readAll(this.file, new Uint8Array(this.cells.buffer), this.offset);
    this.rowsLeft -= rows;
    this.offset += ROW_BYTES * rows;
    return true;
  }

  isBefore(other: RunWindow): boolean {
    for (let column = 0; column < COLUMNS; column++) {
      const mine = this.cells[this.at + column] as number;
      const others = other.cells[other.at + column] as number;
      if (mine !== others) return mine < others;
    }
    return false;
  }

  pushRow(values: number[]): void {
    for (let i = this.at; i < this.at + COLUMNS; i++) values.push(this.cells[i] as number);
  }
}

/** Moves an entry down to where none below it comes before it. */
function sink(heap: RunWindow[], from: number): void {
  const entry = heap[from];
  if (entry === undefined) return;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    const right = heap[child + 1];
    if (right !== undefined && right.isBefore(heap[child] as RunWindow)) child += 1;
    const below = heap[child];
    if (below === undefined || !below.isBefore(entry)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = entry;
}

function writeAll(file: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, bytes.length - done, offset + done);
  }
}

function readAll(file: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = readSync(file, bytes, done, bytes.length - done, offset + done);
    if (count === 0) throw new Error("the file that index rows are sorted in has lost its end");
    done += count;
  }
}
