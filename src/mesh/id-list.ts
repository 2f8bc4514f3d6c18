// Many ids in little memory: 32 bytes each, in the order they were added. Owned by who fills it.

const ID_BYTES = 32;
const FIRST_COUNT = 64;

export class IdList {
  count = 0;
  private bytes = Buffer.alloc(FIRST_COUNT * ID_BYTES);

  add(id: Uint8Array): void {
    const at = this.count * ID_BYTES;
    if (at === this.bytes.length) {
      const larger = Buffer.alloc(2 * at);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(id, at);
    this.count += 1;
  }

  addAll(others: IdList): void {
    for (let at = 0; at < others.count; at++) {
      this.add(others.bytes.subarray(at * ID_BYTES, (at + 1) * ID_BYTES));
    }
  }

  /** 64 hex digits. */
  at(index: number): string {
    return this.bytes.toString("hex", index * ID_BYTES, (index + 1) * ID_BYTES);
  }

  *[Symbol.iterator](): Generator<string, undefined> {
    for (let index = 0; index < this.count; index++) yield this.at(index);
  }
}
