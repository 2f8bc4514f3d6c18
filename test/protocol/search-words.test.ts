// How text becomes words: by tables for scripts and folding, and by what must hold for any text.

import { describe, expect, test } from "bun:test";
import {
  addWords,
  foldText,
  pairsOf,
  splitPieces,
  WORD_LENGTH_MAX,
} from "../../src/protocol/search-words.ts";
import { testRandomly } from "../support/random.ts";

function words(text: string, countMax = 1000): string[] {
  const list: string[] = [];
  addWords(text, list, countMax);
  return list;
}

describe("the words of", () => {
  const rows: { desc: string; text: string; expect: string[] }[] = [
    { desc: "nothing", text: "", expect: [] },
    { desc: "signs", text: " .,;:!?\n\t\u0000«»—…·/\\|", expect: [] },
    { desc: "a sentence", text: "The quick, brown fox!", expect: ["the", "quick", "brown", "fox"] },
    { desc: "capitals", text: "NOSTR Nostr nostr", expect: ["nostr", "nostr", "nostr"] },
    { desc: "digits", text: "21 million, 2140", expect: ["21", "million", "2140"] },
    { desc: "an apostrophe", text: "don't", expect: ["don", "t"] },
    {
      desc: "snake and dash",
      text: "snake_case kebab-case",
      expect: "snake case kebab case".split(" "),
    },
    {
      desc: "an address",
      text: "https://nostr.build/i/Ab1.jpg",
      expect: ["https", "nostr", "build", "i", "ab1", "jpg"],
    },
    { desc: "a hashtag", text: "#Bitcoin", expect: ["bitcoin"] },
    { desc: "accents", text: "Café naïve Ångström", expect: ["cafe", "naive", "angstrom"] },
    { desc: "accents taken apart", text: "Cafe\u0301", expect: ["cafe"] },
    {
      desc: "letters with strokes",
      text: "Łódź Øre Đặng Œuvre Æsir",
      expect: ["lodz", "ore", "dang", "oeuvre", "aesir"],
    },
    { desc: "German", text: "Straße STRASSE ẞ", expect: ["strasse", "strasse", "ss"] },
    { desc: "Turkish", text: "İstanbul ısı", expect: ["istanbul", "isi"] },
    { desc: "Greek", text: "Ὀδυσσεύς ΟΔΟΣ οδος", expect: ["οδυσσευσ", "οδοσ", "οδοσ"] },
    { desc: "Russian", text: "Ёлка Йод", expect: ["елка", "иод"] },
    { desc: "Arabic with vowels", text: "مُحَمَّد محـــمد", expect: ["محمد", "محمد"] },
    { desc: "Hebrew with points", text: "שָׁלוֹם", expect: ["שלום"] },
    { desc: "Hindi, whose vowels stay", text: "हिन्दी में", expect: ["हिन्दी", "में"] },
    { desc: "wide letters", text: "Ｎｏｓｔｒ　２０２４", expect: ["nostr", "2024"] },
    { desc: "bold letters and ligatures", text: "𝐁𝐨𝐥𝐝 ﬁne ①", expect: ["bold", "fine", "1"] },
    { desc: "Chinese", text: "比特币", expect: ["比特", "特币", "币"] },
    { desc: "Chinese beyond 16 bits", text: "𠮷野家", expect: ["𠮷野", "野家", "家"] },
    { desc: "one character", text: "猫", expect: ["猫"] },
    {
      desc: "Japanese",
      text: "東京に、ビットコイン。",
      expect: ["東京", "京に", "に", "ビッ", "ット", "トコ", "コイ", "イン", "ン"],
    },
    { desc: "narrow Japanese", text: "ｶﾞｷﾞ", expect: ["ガギ", "ギ"] },
    { desc: "a long vowel", text: "データ", expect: ["デー", "ータ", "タ"] },
    { desc: "Korean", text: "비트코인은", expect: ["비트", "트코", "코인", "인은", "은"] },
    { desc: "Korean in letters", text: "\u1112\u1161\u11ab", expect: ["한"] },
    { desc: "Thai, whose vowels stay", text: "ดี", expect: ["ดี", "ี"] },
    { desc: "Lao", text: "ລາວ", expect: ["ລາ", "າວ", "ວ"] },
    { desc: "Khmer", text: "ខ្មែរ", expect: ["ខ្", "្ម", "មែ", "ែរ", "រ"] },
    { desc: "Burmese", text: "မြန်", expect: ["မြ", "ြန", "န်", "်"] },
    {
      desc: "several scripts in one",
      text: "2024年nostrの日",
      expect: ["2024", "年", "nostr", "の日", "日"],
    },
    { desc: "pictures", text: "gm🐸🐸!", expect: ["gm", "🐸", "🐸"] },
    { desc: "a flag", text: "🇯🇵", expect: ["🇯", "🇵"] },
    { desc: "a hand with a colour", text: "👍🏽", expect: ["👍"] },
    { desc: "half a surrogate pair", text: "a\ud83db", expect: ["a", "b"] },
  ];
  for (const { desc, text, expect: expected } of rows) {
    test(desc, () => expect(words(text)).toEqual(expected));
  }
});

test("a word that is too long is cut, and never in the middle of a character", () => {
  expect(words("a".repeat(1000))).toEqual(["a".repeat(WORD_LENGTH_MAX)]);
  const text = `${"a".repeat(WORD_LENGTH_MAX - 1)}𐐨${"b".repeat(9)}`;
  expect(words(text)).toEqual(["a".repeat(WORD_LENGTH_MAX - 1)]);
});

test("there are no more words than asked for", () => {
  expect(words("a b c d", 3)).toEqual(["a", "b", "c"]);
  expect(words("比特币 x", 2)).toEqual(["比特", "特币"]);
});

test("pairs overlap, and the last character follows", () => {
  expect(pairsOf("abc")).toEqual(["ab", "bc", "c"]);
  expect(pairsOf("a")).toEqual(["a"]);
});

testRandomly("whatever the text, words are folded, well-formed, and free of signs", (random) => {
  for (let n = 0; n < 300; n++) {
    const text = random.text(60);
    for (const word of words(text)) {
      expect(word).not.toBe("");
      expect(word.isWellFormed()).toBe(true);
      expect(word).not.toMatch(/[\s"'*:(){}^+\-\u0000-\u002f]/);
      expect(word.length).toBeLessThanOrEqual(WORD_LENGTH_MAX);
    }
    for (const piece of splitPieces(text)) expect(foldText(piece.text)).toBe(piece.text);
  }
});

testRandomly("words of two texts are those of both with a space between", (random) => {
  for (let n = 0; n < 300; n++) {
    const [a, b] = [random.text(20), random.text(20)];
    expect(words(`${a} ${b}`)).toEqual([...words(a), ...words(b)]);
  }
});
