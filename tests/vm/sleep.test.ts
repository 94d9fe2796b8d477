/** Sandboxes that stop, wake and come back: what is in them is still there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon({
    config: ["thermal:", "  warm_after: 1s", "  cold_after: 3s"],
  });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => daemon.ok("exec", name, "--", "sh", "-c", script);
const show = (name: string) => daemon.json<Sandbox>("inspect", name);

test("files, processes and their memory are there after a stop and a start", async () => {
  await daemon.ok("create", "--name", "dev", "--keep-hot");
  await exec(
    "dev",
    "echo kept > /workspace/file; (n=0; while :; do n=$((n+1)); echo $n > /tmp/count; sleep 0.05; done) > /dev/null 2>&1 & echo $! > /tmp/pid",
  );
  await daemon.ok("stop", "dev");
  expect(await show("dev")).toMatchObject({ status: "stopped", thermal: "cold" });
  await daemon.ok("stop", "dev");
  await daemon.ok("start", "dev");
  expect(await show("dev")).toMatchObject({ status: "running", thermal: "hot" });
  const before = Number(await exec("dev", "cat /tmp/count"));
  expect(
    await exec(
      "dev",
      "cat /workspace/file; kill -0 $(cat /tmp/pid) && echo alive; sleep 0.3; cat /tmp/count",
    ),
  ).toMatch(/^kept\nalive\n\d+\n$/);
  expect(Number(await exec("dev", "cat /tmp/count"))).toBeGreaterThan(before);
  expect(Math.abs(Number(await exec("dev", "date +%s")) - Date.now() / 1000)).toBeLessThan(3);
});

test("an exec wakes a stopped sandbox", async () => {
  await daemon.ok("stop", "dev");
  expect(await exec("dev", "cat /workspace/file")).toBe("kept\n");
});
