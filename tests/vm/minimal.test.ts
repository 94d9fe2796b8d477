/** The default image is a real Debian: what a person reaches for first is there and works. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon({ images: ["minimal", "tiny"] });
  await daemon.ok("create", "--name", "dev");
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const shell = (script: string) => daemon.ok("exec", "dev", "--", "bash", "-c", script);

test("the tools that the image promises are there", async () => {
  const tools = "apt-get curl sudo ps ip less vim.tiny git python3";
  expect(
    await shell(`for t in ${tools}; do command -v $t >/dev/null || echo missing $t; done`),
  ).toBe("");
  expect(await shell("python3 -c 'print(6 * 7)'")).toBe("42\n");
  expect(await shell("git init -q repo && cd repo && git status --short && echo ok")).toBe("ok\n");
});

test("the user is lohar, and root by sudo without a password", async () => {
  expect(await shell("id -un; sudo -n id -un")).toBe("lohar\nroot\n");
});

test("modules of the kernel can be loaded", async () => {
  expect(await shell("sudo modprobe overlay && grep -c overlay /proc/filesystems")).toBe("1\n");
});

test("several images live side by side", async () => {
  await daemon.ok("create", "--name", "small", "--image", "tiny", "--memory", "256");
  expect(
    await daemon.ok("exec", "small", "--", "sh", "-c", "ls -l /bin/ls | grep -c busybox"),
  ).toBe("1\n");
  await daemon.ok("destroy", "small", "-y");
});

test("two CPUs are two CPUs", async () => {
  await daemon.ok("create", "--name", "wide", "--cpus", "2", "--memory", "512");
  expect(await daemon.ok("exec", "wide", "--", "nproc")).toBe("2\n");
  await daemon.ok("destroy", "wide", "-y");
});
