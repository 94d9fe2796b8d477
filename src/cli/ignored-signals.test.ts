import { expect, test } from "bun:test";
import { isIgnoredIn } from "./ignored-signals.ts";

const all = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGWINCH"] as const;
const ignored = (status: string) => all.filter((signal) => isIgnoredIn(status, signal));

test("ignored signals are read from the mask of /proc/self/status", () => {
  const status = (mask: string) => `Name:\tbhatti\nSigBlk:\tffffffffffffffff\nSigIgn:\t${mask}\n`;
  expect(ignored(status("0000000001001000"))).toEqual([]);
  expect(ignored(status("0000000001001001"))).toEqual(["SIGHUP"]);
  expect(ignored(status("0000000001001006"))).toEqual(["SIGINT", "SIGQUIT"]);
  expect(ignored(status("0000000009005007"))).toEqual([...all]);
});

test("no signal counts as ignored without /proc", () => {
  expect(ignored("")).toEqual([]);
});
