// A checker of an import: lines → checked events, with all that the writer needs of them. It does
// what an ingester does to EVENT messages, and touches no database. What comes of a block leaves in
// the order of its lines.

import { isUtf8 } from "node:buffer";
import { nowSeconds } from "../config/clock.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { classifyKind } from "../protocol/kind.ts";
import { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { makeCandidate } from "../store/candidate.ts";
import { eachLine } from "./import-lines.ts";
import { MAIL, sendStopped } from "./mail.ts";
import { sendEvent } from "./mail-event.ts";
import {
  IMPORT_MAIL,
  readLines,
  readReadFailed,
  sendFileEnd,
  sendLinesDone,
  sendReadFailed,
  sendRefused,
} from "./mail-import.ts";
import type { Role } from "./thread.ts";

const IDLE_SLEEP_MS = 1000;
/** Of a line that is no event, in UTF-16 code units. */
const SHOWN_LENGTH = 60;

/** Wakes its consumer only when told to, or when the ring is full: once a block is soon enough. */
export class BlockOutbox extends Outbox {
  override commit(type: number, bytes: number): void {
    this.producer.commit(type, bytes);
  }
}

export class Checker implements Role {
  isStopped = false;
  private readonly main: BlockOutbox;
  private readonly admission: Admission;
  private readonly rules = admissionRules();
  private readonly lineBytesMax: number;

  constructor(main: BlockOutbox, lineBytesMax: number, isVerifying: boolean) {
    this.main = main;
    this.lineBytesMax = lineBytesMax;
    this.admission = new Admission(isVerifying ? openSignatureBackend().backend : null);
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case IMPORT_MAIL.lines:
        sendLinesDone(this.main, this.check(readLines(ring)));
        break;
      case IMPORT_MAIL.longLine:
        this.refuseBad(1, `longer than ${this.lineBytesMax} bytes`, "");
        sendLinesDone(this.main, 1);
        break;
      case IMPORT_MAIL.fileEnd:
        sendFileEnd(this.main);
        break;
      case IMPORT_MAIL.readFailed:
        sendReadFailed(this.main, readReadFailed(ring));
        break;
      case MAIL.stop:
        this.isStopped = true;
        break;
      default:
        throw new Error(`assert: checker got mail of type ${ring.type}`);
    }
    this.main.ring();
    ring.release();
  };

  turn(): number {
    return IDLE_SLEEP_MS;
  }

  stop(): void {
    sendStopped(this.main);
    this.main.ring();
  }

  /** Returns how many lines the block has. */
  private check(block: Buffer): number {
    const isAllUtf8 = isUtf8(block); // a newline is no part of another character
    return eachLine(block, (number, start, end) => {
      if (end - start > this.lineBytesMax) {
        this.refuseBad(number, `longer than ${this.lineBytesMax} bytes`, "");
      } else if (!isAllUtf8 && !isUtf8(block.subarray(start, end))) {
        this.refuseBad(number, "not UTF-8", "");
      } else {
        const text = block.toString("utf8", start, end).trim();
        if (text !== "") this.checkLine(number, text);
      }
    });
  }

  private checkLine(line: number, text: string): void {
    const value = parseJson(text);
    if (value === undefined) {
      this.refuseBad(line, "not JSON", text);
      return;
    }
    const now = nowSeconds();
    const admitted = this.admission.admit(value, this.rules, now);
    if (typeof admitted === "string") {
      if (isEvent(value)) sendRefused(this.main, { line, reason: admitted, badText: null });
      else this.refuseBad(line, admitted, text);
      return;
    }
    const { event, json, expires } = admitted;
    if (classifyKind(event.kind) === "ephemeral") {
      const reason = "invalid: ephemeral events are not stored";
      sendRefused(this.main, { line, reason, badText: null });
      return;
    }
    sendEvent(this.main, makeCandidate(event, json, expires), line, 0);
  }

  private refuseBad(line: number, reason: string, text: string): void {
    sendRefused(this.main, { line, reason, badText: text.slice(0, SHOWN_LENGTH) });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** True for what means to be an event: then its reason is counted, not its line called bad. */
function isEvent(value: unknown): boolean {
  return typeof value === "object" && value !== null && "id" in value && "sig" in value;
}
