// The ids of events stored not long ago, shared by all threads: the writer puts them in after the
// commit, ingesters ask before they hash or check anything. A lossy table: one slot per id, the
// newer evicts the older, so a miss says nothing.
//
// Read without locks. A torn read mixes the words of two stored ids, and such a mix is the id of no
// event that exists: only whoever made it up hears "duplicate".

/** 4 MiB. */
const SLOTS = 1 << 18;
/** 128 bits of an id, which is a hash: nobody can make another that shares them. */
const WORDS = 4;
const ID_BYTES = 32;

export class RecentIds {
  readonly shared: SharedArrayBuffer;
  private readonly words: Uint32Array;
  private readonly scratch = Buffer.alloc(ID_BYTES);
  private readonly id = new Uint32Array(this.scratch.buffer, this.scratch.byteOffset, WORDS);

  constructor(shared = new SharedArrayBuffer(SLOTS * WORDS * 4)) {
    this.shared = shared;
    this.words = new Uint32Array(shared);
  }

  /** `id` is 64 checked hex digits. The id of all zeros, which an empty slot holds, is never in. */
  has(id: string): boolean {
    const at = this.find(id);
    let bits = 0;
    for (let i = 0; i < WORDS; i++) {
      if (this.words[at + i] !== this.id[i]) return false;
      bits |= this.id[i] as number;
    }
    return bits !== 0;
  }

  /** Writer only. */
  add(id: string): void {
    const at = this.find(id);
    for (let i = 0; i < WORDS; i++) this.words[at + i] = this.id[i] as number;
  }

  /** Writer only: a removed event must not be called a duplicate. */
  remove(id: string): void {
    if (!this.has(id)) return;
    const at = this.find(id);
    for (let i = 0; i < WORDS; i++) this.words[at + i] = 0;
  }

  /** Writer only: after another process has written, nothing here is certain any more. */
  clear(): void {
    this.words.fill(0);
  }

  /** Decodes the id and returns where its slot starts. */
  private find(id: string): number {
    this.scratch.write(id, 0, "hex");
    return ((this.id[0] as number) % SLOTS) * WORDS;
  }
}
