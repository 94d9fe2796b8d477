/** inspect as a person and as a script see it. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());
afterEach(() => daemon.run(["destroy", "dev", "-y"]));

test("inspect describes one sandbox, by name and by id", async () => {
  const { id, created_at } = JSON.parse(
    await daemon.ok("create", "--name", "dev", "--keep-hot", "--label", "a=1", "--json"),
  ) as Sandbox;
  const text = `Name:       dev
ID:         ${id}
Status:     running
Thermal:    hot (keep hot)
Image:      minimal
Created:    N s ago (${created_at.replace(/\.\d{3}Z/, "Z")})
Labels:     a=1
Resources:
  CPUs:       1
  Memory:     1024 MB (N MB used, N MB free)
  Disk:       300 MB (N MB used, N MB free)
Network:
  IP:         -
Keep hot:   yes
`;
  for (const words of [
    ["inspect", "dev"],
    ["info", id],
  ]) {
    const shown = (await daemon.ok(...words))
      .replace(/\d+ s ago \(/, "N s ago (")
      .replace(/\d+ MB used, \d+ MB free/g, "N MB used, N MB free");
    expect(shown).toBe(text);
  }
  expect(JSON.parse(await daemon.ok("inspect", "dev", "--json"))).toMatchObject({
    id,
    name: "dev",
    usage: { disk_free_mb: expect.any(Number), memory_used_mb: expect.any(Number) },
  });
});

test("inspect shows the last known usage of a stopped sandbox with its age", async () => {
  await daemon.ok("create", "--name", "dev");
  await daemon.ok("stop", "dev");
  const shown = await daemon.ok("inspect", "dev");
  expect(shown).toMatch(/Memory: +1024 MB \(\d+ MB used, \d+ MB free, \d+ (s|min) ago\)\n/);
  expect(shown).toMatch(/Disk: +300 MB \(\d+ MB used, \d+ MB free, \d+ (s|min) ago\)\n/);
  expect(shown).toMatch(/Thermal: +cold/);
});
