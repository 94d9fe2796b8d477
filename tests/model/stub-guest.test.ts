/** Behaviour of guests that the model relies on, for the real agent and the stub. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { Guest, GuestProcess } from "../../src/agent/guest.ts";
import type { FakeGuest } from "../../src/engine/fake/fake-guest.ts";
import { FakeHost } from "../../src/engine/fake/fake-host.ts";
import { generous } from "../support/lohar.ts";
import { programs, StubGuest } from "./stub-guest.ts";

const host = new FakeHost();
afterAll(() => host[Symbol.asyncDispose]());
const made: FakeGuest[] = [];
afterEach(async () => {
  await Promise.all(made.splice(0).map((guest) => guest.remove()));
});

const kinds: [string, () => FakeGuest][] = [
  ["the real agent", () => host.newGuest(crypto.randomUUID().slice(0, 8))],
  ["the stub", () => new StubGuest()],
];

const path = "/workspace/x";

describe.each(kinds)("%s", (_kind, make) => {
  const newGuest = () => {
    const guest = make();
    made.push(guest);
    return guest;
  };

  async function start(guest: Guest, argv: string[]) {
    return await guest.exec({ argv, stdin: false, timeoutMs: 60_000 }, generous());
  }

  async function run(guest: FakeGuest, argv: string[]) {
    return await collect(await start(await guest.connect(generous()), argv));
  }

  async function collect(process: GuestProcess) {
    let output = "";
    for await (const { channel, chunk } of process) {
      if (channel === 1) output += Buffer.from(chunk.subarray(1));
    }
    return { ...(await process.result), output };
  }

  /** Contents of its disk and memory; undefined if a program fails. */
  async function content(guest: FakeGuest) {
    const [file, value] = [
      await run(guest, programs.read(path)),
      await run(guest, programs.recall("k")),
    ];
    return [file, value].map(({ exitCode, output }) => (exitCode === 0 ? output : undefined));
  }

  async function filled() {
    const guest = newGuest();
    await run(guest, programs.write(path, "on disk"));
    await run(guest, programs.remember("k", "in memory"));
    return guest;
  }

  test("programs write and read files, and fail for missing ones", async () => {
    const guest = newGuest();
    await guest.configure({ hostname: "dev" }, generous());
    const written = await run(guest, programs.write(path, "it's"));
    expect(written).toEqual({ exitCode: 0, reason: "exited", output: "" });
    expect(await run(guest, programs.read(path))).toEqual({ ...written, output: "it's" });
    expect(await run(guest, programs.recall("k"))).toEqual({ ...written, exitCode: 1 });
  });

  test("a copy has the disk, and the memory only when that is wanted", async () => {
    const guest = await filled();
    const [withMemory, withoutMemory] = [newGuest(), newGuest()];
    await guest.copyTo(withMemory, true);
    await guest.copyTo(withoutMemory, false);
    await run(guest, programs.write(path, "later"));
    expect(await content(withMemory)).toEqual(["on disk", "in memory"]);
    expect(await content(withoutMemory)).toEqual(["on disk", undefined]);
    expect(await content(guest)).toEqual(["later", "in memory"]);
  });

  test("a copy of one that was never used is empty", async () => {
    const copy = newGuest();
    await newGuest().copyTo(copy, true);
    expect(await content(copy)).toEqual([undefined, undefined]);
  });

  test("kill clears the memory and keeps the disk", async () => {
    const guest = await filled();
    guest.kill();
    expect(await content(guest)).toEqual(["on disk", undefined]);
    guest.kill();
    const copy = newGuest();
    await guest.copyTo(copy, true);
    expect(await content(copy)).toEqual(["on disk", undefined]);
  });

  test("disconnect loses the output that has not arrived, and nothing else", async () => {
    const guest = await filled();
    const process = await start(await guest.connect(generous()), programs.read(path));
    guest.disconnect();
    const outcome = collect(process).then(
      ({ output }) => output,
      ({ code }) => code,
    );
    expect(["on disk", "machine_lost"]).toContain(await outcome);
    expect(await content(guest)).toEqual(["on disk", "in memory"]);
  });

  test("an idle guest has no commands", async () => {
    const guest = await filled();
    const agent = await guest.connect(generous());
    expect(await agent.activity(generous())).toMatchObject({ commands: 0, attached: 0 });
    expect(await agent.processes(generous())).toEqual([]);
    await agent.ping(generous());
  });

  test("shutdown ends the guest and reports its end", async () => {
    const guest = await filled();
    const ended = Promise.withResolvers<object>();
    guest.onEnd = ended.resolve;
    await guest.shutdown(generous());
    expect(await ended.promise).toMatchObject({ reason: "powered_off" });
    expect(await content(guest)).toEqual(["on disk", undefined]);
  });
});
