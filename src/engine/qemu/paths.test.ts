import { expect, test } from "bun:test";
import { enginePaths, machinePaths } from "./paths.ts";

test("two data directories have runtime folders of their own", () => {
  const runtime = (dataDir: string) => enginePaths(dataDir, "/run/bhatti").runtime;
  expect(runtime("/a")).not.toBe(runtime("/b"));
  expect(runtime("/a")).toBe(runtime("/a"));
});

test("memory lies with the machine unless a folder is set apart for it", () => {
  const id = "0123456789abcdef";
  expect(machinePaths(enginePaths("/d", "/run/b"), id).ram).toBe(`/d/sandboxes/${id}/ram`);
  expect(machinePaths(enginePaths("/d", "/run/b", "/dev/shm"), id).ram).toMatch(
    /^\/dev\/shm\/bhatti-[0-9a-f]{8}\/0123456789abcdef\/ram$/,
  );
});

test("a socket path that is too long is refused with its length and the limit", () => {
  const engine = enginePaths("/d", `/${"x".repeat(100)}`);
  expect(() => machinePaths(engine, "0123456789abcdef")).toThrow(/has 1\d\d bytes.*maximum is 107/);
});
