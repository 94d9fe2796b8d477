import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultServerConfig } from "../config/schema.ts";
import { type EngineDependencies, openEngine } from "./choose-engine.ts";

test("the fake engine leaves the machines of another engine alone", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "bhatti-test-"));
  try {
    const machine = join(dataDir, "sandboxes/m1");
    mkdirSync(machine, { recursive: true });
    const dependencies = {} as EngineDependencies; // it needs none
    await openEngine({ ...defaultServerConfig, engine: "fake", dataDir }, dependencies);
    expect(existsSync(machine)).toBe(true);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});
