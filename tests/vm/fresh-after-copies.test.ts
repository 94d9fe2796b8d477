/** Copies of one guest, and guests that slept: no value of randomness twice, and no time that is over. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest } from "../support/sandbox-state.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon({ images: ["minimal"] });
});
afterEach(async () => {
  const all = await daemon.json<Sandbox[]>("list");
  await Promise.all(all.map(({ name }) => daemon.ok("destroy", name, "-y")));
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => inGuest(daemon, name, script);

/** A guest in which this program runs, and is past its start. */
async function createRunning(name: string, program: string): Promise<void> {
  const file = `${daemon.dataDir}/${name}.py`;
  await Bun.write(file, program);
  await daemon.ok(
    ...["create", "--name", name, "--memory", "256", "--file", `${file}:/workspace/program.py`],
  );
  await exec(
    name,
    "python3 program.py > /tmp/said 2>&1 & echo $! > /tmp/pid; while [ ! -e /tmp/ready ]; do sleep 0.1; done",
  );
}

/** All has been loaded before it is copied: what it makes afterwards depends on the kernel's randomness alone. */
const maker = `
import os, uuid
uuid.uuid4()
for fifo in ("/tmp/ask", "/tmp/tell"): os.mkfifo(fifo)
open("/tmp/ready", "w")
while True:
    open("/tmp/ask").read()
    told = (uuid.uuid4(), os.urandom(32).hex())
    with open("/tmp/tell", "w") as tell: print(*told, file=tell)
`;
const batches = [8, 8, 16];

test("32 forks make 32 different values of everything that is to be random", async () => {
  await createRunning("one", maker);
  const forks: string[] = [];
  for (const [index, count] of batches.entries()) {
    const made = await daemon.json<Sandbox[]>(
      ...["create", "--from", "one", "--name", `fork${index}`, "--count", String(count)],
    );
    forks.push(...made.map(({ name }) => name));
  }
  // The images have no tool that makes host keys: 32 bytes, as such a tool takes them, stand for one.
  const script =
    "od -An -N8 -tx8 /dev/urandom; echo > /tmp/ask; tr ' ' '\\n' < /tmp/tell; cat /proc/sys/kernel/random/uuid /etc/machine-id";
  const told: string[] = [];
  for (let from = 0; from < forks.length; from += 8) {
    const some = forks.slice(from, from + 8);
    told.push(...(await Promise.all(some.map((name) => exec(name, script)))));
  }
  const rows = told.map((text) => text.trim().split("\n"));
  for (const row of rows) expect(row).toHaveLength(5);
  for (const column of [0, 1, 2, 3, 4]) {
    expect(new Set(rows.map((row) => row[column])).size).toBe(forks.length);
  }
}, 300_000);

/** Remembers what time it is and eight random bytes, over and over, and writes all of it down when it is asked. */
const stamper = `
import os, signal, struct, time
stamps = bytearray()
def tell(*_):
    with open("/tmp/stamps.new", "wb") as file: file.write(stamps)
    os.rename("/tmp/stamps.new", "/tmp/stamps")
signal.signal(signal.SIGUSR1, tell)
open("/tmp/ready", "w")
while True: stamps += struct.pack("<d", time.time()) + os.urandom(8)
`;

interface Stamp {
  at: number;
  value: string;
}

async function stampsOf(name: string): Promise<Stamp[]> {
  const script =
    "rm -f /tmp/stamps; kill -USR1 $(cat /tmp/pid); while [ ! -e /tmp/stamps ]; do sleep 0.1; done; cat /tmp/stamps";
  const { bytes } = await daemon.run(["exec", name, "--", "sh", "-c", script]);
  const { buffer, byteOffset } = bytes;
  return Array.from({ length: bytes.length / 16 }, (_, index) => {
    const stamp = new DataView(buffer, byteOffset + index * 16, 16);
    return { at: stamp.getFloat64(0, true), value: String(stamp.getBigUint64(8)) };
  });
}

const now = () => Date.now() / 1000;
/** How far a guest's clock may be from the host's when it is thawed. */
const tolerance = 0.1;

/**
 * Within two moments of the host at which it surely stood still, nothing happened in the guest; and once it knew of the
 * second, it never saw anything before that.
 */
function expectNothingBetween(stamps: Stamp[], stood: number, asked: number): void {
  const first = stamps.findIndex(({ at }) => at >= asked - tolerance);
  expect(first).toBeGreaterThan(0);
  expect(stamps[first - 1]?.at).toBeLessThan(stood + tolerance);
  expect(stamps.slice(first).filter(({ at }) => at < asked - tolerance)).toEqual([]);
  expect(stamps.at(-1)?.at).toBeLessThan(now() + tolerance);
}

test("a program that looks at the clock all the time sees no old time after a sleep, and no random value twice", async () => {
  await createRunning("watch", stamper);
  const sleeps: [number, number][] = [];
  for (let cycle = 0; cycle < 3; cycle += 1) {
    await daemon.ok("stop", "watch");
    const stood = now();
    await Bun.sleep(500);
    sleeps.push([stood, now()]);
    await daemon.ok("start", "watch");
    await exec("watch", "sleep 0.5");
  }
  const stamps = await stampsOf("watch");
  for (const [stood, asked] of sleeps) expectNothingBetween(stamps, stood, asked);
  expect(new Set(stamps.map(({ value }) => value)).size).toBe(stamps.length);
});

test("what goes on from one moment shares what was before it, and nothing after", async () => {
  await createRunning("source", stamper);
  await daemon.ok("snapshot", "create", "source", "--name", "moment");
  const kept = now();
  await Bun.sleep(500);
  const asked = now();
  const names = ["source", "first", "second"];
  await Promise.all(
    names.slice(1).map((name) => daemon.ok("snapshot", "resume", "moment", "--name", name)),
  );
  const all = await Promise.all(names.map(stampsOf));
  for (const copy of all.slice(1)) expectNothingBetween(copy, kept, asked);
  const values = all.map((stamps) => stamps.map(({ value }) => value));
  const shared = commonPrefix(values[0] ?? [], values[1] ?? []);
  expect(shared).toBeGreaterThan(0);
  expect(commonPrefix(values[0] ?? [], values[2] ?? [])).toBe(shared);
  expect(commonPrefix(values[1] ?? [], values[2] ?? [])).toBe(shared);
  const own = values.flatMap((those) => those.slice(shared));
  expect(new Set(own).size).toBe(own.length);
  await daemon.ok("snapshot", "delete", "moment", "-y");
});

function commonPrefix(left: string[], right: string[]): number {
  const differs = left.findIndex((value, index) => value !== right[index]);
  return differs < 0 ? left.length : differs;
}

test("a guest that wakes has the host's time", async () => {
  await daemon.ok("create", "--name", "clock", "--memory", "256");
  for (let cycle = 0; cycle < 3; cycle += 1) {
    await daemon.ok("stop", "clock");
    await Bun.sleep(500);
    const before = now();
    const guest = Number(await exec("clock", "date +%s.%N"));
    expect(guest).toBeGreaterThan(before - tolerance);
    expect(guest).toBeLessThan(now() + tolerance);
  }
});
