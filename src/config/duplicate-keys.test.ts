import { expect, test } from "bun:test";
import { duplicateKey } from "./duplicate-keys.ts";

const groups = new Set(["limits"]);

test.each([
  ["listen: a\nlisten: b\n", "listen", 2],
  ["listen: a\n\"listen\": b\n'listen' : c\n", "listen", 2],
  ["limits:\n  burst: 1\nlisten: a\n", undefined, 0],
  ["limits:\n  burst: 1\n  # burst: 2\n  burst: 3\n", "limits.burst", 4],
  ["limits: {}\nlisten: a\nlimits: {}\n", "limits", 3],
  ["# listen: a\nlisten: b\n# listen: c\n", undefined, 0],
  ["listen: a\r\nlisten: b\r\n", "listen", 2],
  ["burst: 1\nlimits:\n  burst: 1\n", undefined, 0],
  ["auth_token: |\n  a: 1\n  a: 2\nlisten: x\n", undefined, 0],
  ["auth_token:\n  http://x\n", undefined, 0],
  ["", undefined, 0],
])("%j", (text, key, line) => {
  expect(duplicateKey(text, groups)).toEqual(key === undefined ? undefined : { key, line });
});
