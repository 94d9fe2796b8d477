import { afterAll, expect, test } from "bun:test";
import type { Machine } from "../engine.ts";
import { FakeEngine } from "./fake-engine.ts";
import { FakeHost } from "./fake-host.ts";

const host = new FakeHost();
afterAll(() => host[Symbol.asyncDispose]());

const { signal } = new AbortController();
const image = { name: "tiny", digest: "x", path: "/x" };
const hardware = { cpus: 1, memoryMB: 256 };
const config = { epoch: 1, hardware, identity: {}, nics: [], volumes: [] };
const next = { ...config, epoch: 2 };

async function run(machine: Machine, ...argv: string[]): Promise<string> {
  const guest = await machine.guest(signal);
  const process = await guest.exec({ argv, stdin: false, timeoutMs: 5000 }, signal);
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of process) chunks.push(chunk.subarray(1));
  return Buffer.concat(chunks).toString();
}

test("memory is kept by a suspend and by a full snapshot, and by nothing else", async () => {
  const engine = new FakeEngine({}, host);
  const machine = await engine.create({ image }, config, signal);
  await run(machine, "sh", "-c", "printf 1 > /dev/shm/k; printf 2 > f");
  await engine.capture(machine.id, hardware, "full", "full", signal);
  await engine.capture(machine.id, hardware, "disk", "filesystem", signal);
  await machine.suspend(signal);
  const resumed = await engine.resume(machine.id, next, signal);
  await resumed.unpause(signal);
  await run(resumed, "sh", "-c", "printf 3 > /dev/shm/l");
  const content = (of: Machine) => run(of, "sh", "-c", "cat f /dev/shm/[kl] 2>/dev/null");
  expect(await content(resumed)).toBe("213");
  expect(await content(await engine.clone("full", config, signal))).toBe("21");
  expect(await content(await engine.clone("disk", config, signal))).toBe("2");
  await resumed.halt();
  expect(await content(await engine.boot(machine.id, next, signal))).toBe("2");
});

test("a suspend loses processes to who started them, and they go on", async () => {
  const engine = new FakeEngine({}, host);
  const machine = await engine.create({ image }, config, signal);
  const guest = await machine.guest(signal);
  const request = { argv: ["sleep", "5"], stdin: false, timeoutMs: 9000 };
  const process = await guest.exec(request, signal);
  await machine.suspend(signal);
  await expect(process.result).rejects.toMatchObject({ code: "machine_lost" });
  const resumed = await engine.resume(machine.id, next, signal);
  await resumed.unpause(signal);
  const activity = await (await resumed.guest(signal)).activity(signal);
  expect(activity).toMatchObject({ commands: 1, attached: 0 });
  await engine.destroy(machine.id);
});

test("one that is paused answers when it runs again", async () => {
  const engine = new FakeEngine({}, host);
  const machine = await engine.create({ image }, config, signal);
  await machine.pause(signal);
  const guest = await machine.guest(signal);
  const order: string[] = [];
  const answered = guest.ping(signal).then(() => order.push("answered"));
  await Bun.sleep(1);
  order.push("unpaused");
  await machine.unpause(signal);
  await answered;
  expect(order).toEqual(["unpaused", "answered"]);
});

test("an engine that died reaches nothing, and the next one takes over", async () => {
  const engine = new FakeEngine({}, host);
  const machine = await engine.create({ image }, config, signal);
  engine.die();
  await expect(machine.pause(signal)).rejects.toThrow("killed");
  await expect(engine.destroy(machine.id)).rejects.toThrow("killed");
  const adopted = await new FakeEngine({}, engine.host).adopt(machine.id, next);
  expect(adopted?.isPaused).toBeFalse();
  await adopted?.unpause(signal);
  expect(adopted?.isAwake).toBeTrue();
});
