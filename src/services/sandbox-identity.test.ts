import { expect, test } from "bun:test";
import { hostNameOf } from "./sandbox-identity.ts";

test.each([
  ["dev", "dev"],
  ["a_b", "a-b"],
  ["My.Box", "My.Box"],
  ["trailing-_.", "trailing"],
])("sandbox %s is called %s inside", (name, host) => {
  expect(hostNameOf(name)).toBe(host);
});
