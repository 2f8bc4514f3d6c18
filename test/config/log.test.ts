// What a client has written, as it is printed.

import { expect, test } from "bun:test";
import { printable } from "../../src/config/log.ts";

test.each([
  ["plain text, ñandú 🐸", "plain text, ñandú 🐸"],
  ["two\nlines\r\t\u0000", "two\\nlines\\r\\t\\u0000"],
  ["\u001b[31mred", "\\u001b[31mred"],
  ["\u007f\u0080\u009b2J\u009f", "\\u007f\\u0080\\u009b2J\\u009f"],
  ["\u00a0\u2028", "\u00a0\u2028"],
])("%#: a line without control characters is printed", (text, printed) => {
  expect(printable(text)).toBe(printed);
});
