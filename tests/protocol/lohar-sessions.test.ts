/** Sessions of a real lohar: left and taken up at any byte, taken over, watched, and none of it leaks. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Guest, GuestProcess } from "../../src/agent/guest.ts";
import type { AttachedSession, AttachRequest } from "../../src/agent/guest-sessions.ts";
import { failureOf } from "../support/failure.ts";
import { collect, generous, logOf, RealLohar, read, until } from "../support/lohar.ts";

setDefaultTimeout(240_000);

let lohar: RealLohar;
let guest: Guest;
beforeAll(async () => {
  lohar = await RealLohar.start();
  guest = await lohar.connect();
});
afterAll(() => lohar[Symbol.asyncDispose]());

const size = { rows: 24, cols: 80 };

function start(script: string, options: { tty?: typeof size; stdin?: boolean } = {}) {
  const request = { argv: ["sh", "-c", script], stdin: true, timeoutMs: 0, session: true };
  return guest.exec({ ...request, ...options }, generous());
}

function attach(session: string, options: Partial<AttachRequest> = {}): Promise<AttachedSession> {
  return guest.attach({ session, mode: "control", ...options }, generous());
}

async function infoOf(session: string) {
  const found = (await guest.processes(generous())).find((one) => one.session === session);
  if (!found) throw new Error(`there is no session ${session}`);
  return found;
}

describe("a session without a terminal", () => {
  test("goes on when it is left, with its stdin open, and is taken up where it was left", async () => {
    const first = await start("cat");
    void first.write(Buffer.from("one "));
    expect((await read(first, 4)).toString()).toBe("one ");
    first.release();
    await until(async () => !(await infoOf(first.session)).attached);
    const second = await attach(first.session, { from: 4 });
    expect(second).toMatchObject({ tty: false, stdin: true, offset: 4, pid: first.pid });
    void second.write(Buffer.from("two"));
    second.closeStdin();
    const { stdout, ...result } = await collect(second);
    expect(stdout.toString()).toBe("two");
    expect(result).toMatchObject({ exitCode: 0, reason: "exited" });
  });

  test("keeps stdout and stderr in their order, on one channel", async () => {
    const session = await start("echo a; echo b >&2; echo c; echo d >&2", { stdin: false });
    const { stdout, stderr } = await collect(session);
    expect(stdout.toString()).toBe("a\nb\nc\nd\n");
    expect(stderr.length).toBe(0);
    expect(await infoOf(session.session)).toMatchObject({ kind: "detached", running: false });
  });

  test("is replayed after its end, with its true outcome", async () => {
    const session = await start("echo said; exit 7", { stdin: false });
    session.release();
    await until(async () => !(await infoOf(session.session)).running);
    const late = await collect(await attach(session.session));
    expect(late).toMatchObject({ exitCode: 7, reason: "exited" });
    expect(late.stdout.toString()).toBe("said\n");
  });
});

describe("a terminal", () => {
  test("is left and taken up with another size", async () => {
    const first = await guest.exec(
      { argv: ["sh"], tty: size, stdin: true, timeoutMs: 0, env: { PS1: "> " } },
      generous(),
    );
    await read(first, 2);
    first.release();
    const second = await attach(first.session, { tty: { rows: 50, cols: 132 } });
    expect(second).toMatchObject({ tty: true, stdin: true });
    void second.write(Buffer.from("stty size; exit 4\r"));
    const done = await collect(second);
    expect(done.stdout.toString()).toContain("50 132");
    expect(done.exitCode).toBe(4);
  });

  test("gets its signals", async () => {
    const session = await start("sleep 1000", { tty: size });
    await guest.kill(session.session, "TERM", generous());
    expect(await session.result).toMatchObject({ exitCode: 143, signal: "SIGTERM" });
    expect(await failureOf(guest.kill(session.session, "TERM", generous()))).toMatchObject({
      code: "session_ended",
    });
  });
});

describe("of many clients", () => {
  test("the latest has control, and the one before is told", async () => {
    const first = await start("cat");
    const second = await attach(first.session);
    expect(await failureOf(first.result)).toMatchObject({ code: "session_taken" });
    expect(await failureOf(attach(first.session, { ifDetached: true }))).toMatchObject({
      code: "session_attached",
    });
    void second.write(Buffer.from("mine"));
    second.closeStdin();
    expect((await collect(second)).stdout.toString()).toBe("mine");
  });

  test("eight may watch, and a ninth may not", async () => {
    const session = await start("cat");
    const watchers: AttachedSession[] = [];
    for (let i = 0; i < 8; i += 1) {
      watchers.push(await attach(session.session, { mode: "watch" }));
    }
    expect(await infoOf(session.session)).toMatchObject({ attached: true, watchers: 8 });
    expect(await failureOf(attach(session.session, { mode: "watch" }))).toMatchObject({
      code: "guest_busy",
    });
    void session.write(Buffer.from("look"));
    session.closeStdin();
    for (const watcher of watchers) {
      const { stdout, exitCode } = await collect(watcher);
      expect([stdout.toString(), exitCode]).toEqual(["look", 0]);
    }
    expect((await collect(session)).stdout.toString()).toBe("look");
  });

  test("one that only watches is heard by nobody, and stalls nothing", async () => {
    const total = 3_000_000;
    const session = await start(`head -c ${total} /dev/zero`, { stdin: false });
    const watcher = await attach(session.session, { mode: "watch" });
    expect((await collect(session)).stdout.length).toBe(total);
    watcher.write(Buffer.from("x")).catch(() => {});
    watcher.resize(size);
    const seen = await collect(watcher);
    expect(seen.exitCode).toBe(0);
    expect(seen.stdout.length).toBeLessThanOrEqual(total);
  });
});

test("who has control and does not read stalls the session, within bounds", async () => {
  const session = await start("exec yes", { stdin: false });
  let before = -1;
  await until(async () => {
    const { logBytes } = await infoOf(session.session);
    const isStill = logBytes > 0 && logBytes === before;
    before = logBytes;
    await Bun.sleep(100);
    return isStill;
  });
  expect(before).toBeLessThan(2_000_000);
  session.release();
  await until(async () => (await infoOf(session.session)).logBytes > before + 1_000_000);
  await guest.kill(session.session, "KILL", generous());
});

test("whoever asks hears the terminal's size, and each that it gets", async () => {
  const session = await start("cat", { tty: size });
  const sizes: string[] = [];
  const resized = ({ rows, cols }: typeof size) => void sizes.push(`${rows}x${cols}`);
  const watcher = await attach(session.session, { mode: "watch", resized });
  session.resize({ rows: 50, cols: 132 });
  await until(async () => sizes.length === 2);
  // A program may change it, too.
  const path = `/proc/${session.pid}/fd/0`;
  const other = await guest.exec(
    { argv: ["sh", "-c", `stty rows 10 < ${path}; echo x > ${path}`], stdin: false, timeoutMs: 0 },
    generous(),
  );
  await other.result;
  await until(async () => sizes.length === 3);
  expect(sizes).toEqual(["24x80", "50x132", "10x132"]);
  watcher.release();
  await guest.kill(session.session, "KILL", generous());
});

test("the twenty-first is refused, and there is room again when one has ended", async () => {
  await using other = await RealLohar.start();
  const its = await other.connect();
  const request = { argv: ["sleep", "1000"], stdin: false, timeoutMs: 0, session: true };
  const all: GuestProcess[] = [];
  for (let i = 0; i < 20; i += 1) all.push(await its.exec(request, generous()));
  expect(await failureOf(its.exec(request, generous()))).toMatchObject({ code: "session_limit" });
  const [first] = all;
  await its.kill(first?.session ?? "", "KILL", generous());
  await first?.result;
  (await its.exec(request, generous())).release();
});

test("whoever comes and goes, at whatever byte, has all of it in the end and nothing twice", async () => {
  const random = generator(20_261_122);
  for (let round = 0; round < 6; round += 1) {
    const total = 20_000 + Math.floor(random() * 300_000);
    const session = await start("cat");
    const data = Buffer.alloc(total);
    for (let i = 0; i < total; i += 1) data[i] = Math.floor(random() * 256);
    let client: AttachedSession | GuestProcess = session;
    const seen: Uint8Array[] = [];
    let at = 0;
    for (let written = 0; written < total; ) {
      const next = Math.min(total, written + 1 + Math.floor(random() * 20_000));
      void client.write(data.subarray(written, next)).catch(() => {});
      written = next;
      const wanted = Math.floor(random() * (written - at));
      const piece = await read(client, wanted);
      seen.push(piece);
      at += piece.length;
      // What was written must have been taken before its client goes.
      await until(async () => (await infoOf(session.session)).logBytes === written);
      if (random() < 0.5 && written - at < 60_000) {
        if (random() < 0.7) client.release();
        else guest = await cutOff(guest);
        client = await attach(session.session, { from: at });
        expect((client as AttachedSession).offset).toBe(at);
      }
    }
    client.closeStdin();
    const rest = await collect(client);
    const whole = Buffer.concat([...seen, rest.stdout]);
    expect(whole.length).toBe(total);
    expect(whole.equals(data)).toBe(true);
    expect(rest.exitCode).toBe(0);
    expect((await logOf(guest, session.session)).equals(data)).toBe(true);
  }
});

test("hundreds of clients that come and go leave nothing open", async () => {
  await using other = await RealLohar.start();
  const its = await other.connect();
  const request = { argv: ["cat"], stdin: true, timeoutMs: 0, session: true };
  const piped = await its.exec(request, generous());
  const terminal = await its.exec({ ...request, tty: size }, generous());
  for (const session of [piped, terminal]) session.release();
  const descriptors = () => readdirSync(`/proc/${other.pid}/fd`).length;
  const cycle = async (n: number) => {
    const { session } = n % 2 === 0 ? piped : terminal;
    const mode = n % 3 === 0 ? "watch" : "control";
    const attached = await its.attach({ session, mode }, generous());
    if (mode === "control") await attached.write(Buffer.from(`${n}\n`));
    if (n % 5 === 1) await read(attached, 1);
    attached.release();
    if (n % 10 === 0) {
      const log = await its.readLog({ session, follow: true }, generous());
      log.release();
    }
  };
  for (let n = 0; n < 20; n += 1) await cycle(n);
  await its.ping(generous());
  const before = descriptors();
  for (let n = 0; n < 300; n += 1) await cycle(n);
  await until(async () => (await its.activity(generous())).attached === 0);
  await until(() => descriptors() <= before);
  const again = await its.attach({ session: piped.session, mode: "control" }, generous());
  void again.write(Buffer.from("still here"));
  again.closeStdin();
  expect((await collect(again)).stdout.toString()).toEndWith("still here");
});

/** The line is lost, as when a daemon dies; the next one connects. */
async function cutOff(before: Guest): Promise<Guest> {
  before.close();
  return await lohar.connect();
}

/** Numbers that look random and are the same in every run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
