import { expect, test } from "bun:test";
import { isOlder } from "./semver.ts";
import { masked } from "./setup/ask.ts";
import { withSettings } from "./setup/save.ts";
import { closest, editDistance } from "./suggest.ts";
import { table } from "./terminal/table.ts";
import { formatDuration, formatTiming } from "./terminal/timing.ts";

test.each<[string, string | undefined]>([
  ["lst", "list"],
  ["destory", "destroy"],
  ["exce", "exec"],
  ["insp", "inspect"],
  ["x", undefined],
  ["completely-different", undefined],
])("closest to %s is %s", (word, found) => {
  expect(closest(word, ["create", "list", "ls", "exec", "destroy", "inspect"])).toBe(found);
});

test.each<[string, string | undefined]>([
  ["destory", "destroy"],
  ["destro", "destroy"],
  ["dstory", undefined],
  ["des", undefined],
  ["r", undefined],
  ["rn", undefined],
  ["cp", undefined],
])("closest to %s, where destroy and rm are destructive, is %s", (word, found) => {
  expect(closest(word, ["op", "destroy", "rm"], ["destroy", "rm"])).toBe(found);
});

test.each([
  ["", "abc", 3],
  ["abc", "abc", 0],
  ["abc", "acb", 1],
  ["kitten", "sitting", 3],
])("distance %s %s", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
});

test.each([
  ["1.2.3", "1.2.3", false],
  ["1.2.3", "1.2.4", true],
  ["v1.2", "1.2.0", false],
  ["0.9.9", "v1", true],
  ["1.10.0", "1.9.9", false],
  ["2", "1.99.99", false],
])("%s older than %s: %p", (version, minimum, older) => {
  expect(isOlder(version, minimum)).toBe(older);
});

test.each([
  [0.0123, "12µs"],
  [0.9994, "999µs"],
  [1, "1.00ms"],
  [9.876, "9.88ms"],
  [12.34, "12.3ms"],
  [1234, "1.23s"],
])("%p ms is %s", (milliseconds, shown) => {
  expect(formatDuration(milliseconds)).toBe(shown);
});

test("the table of --timing", () => {
  const rows = [
    { label: "server", milliseconds: 2 },
    { label: "total", milliseconds: 12.5 },
  ];
  expect(formatTiming(rows)).toBe("---\nserver:    2.00ms\ntotal:     12.5ms");
});

test("a table is as wide as its values, and no value can move the cursor", () => {
  const columns: Parameters<typeof table<string>>[0] = [
    ["A", 3, (row) => row],
    ["B", 0, () => "x"],
  ];
  expect(table(columns, ["long\x1b[2J", "s"])).toBe("A        B\nlong?[2J x\ns        x\n");
});

test("a key is not shown whole", () => {
  expect(masked(`bht_${"0123456789abcdef".repeat(4)}`)).toBe("bht_01…cdef");
  expect(masked("short")).toBe("…");
});

test.each([
  ["", "api_url: http://x\nauth_token: t\n"],
  ["listen: y", "listen: y\napi_url: http://x\nauth_token: t\n"],
  ["auth_token: old\n# end\n", "auth_token: t\n# end\napi_url: http://x\n"],
])("settings into %j", (text, written) => {
  expect(withSettings(text, { url: "http://x", token: "t" })).toBe(written);
});

test("a key that YAML would misread is quoted", () => {
  const text = withSettings("", { url: "http://x", token: 'a: "b" #c' });
  expect(Bun.YAML.parse(text)).toEqual({ api_url: "http://x", auth_token: 'a: "b" #c' });
});
