import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { signalNames } from "../../src/contract/exec.ts";
import { failureOf } from "../support/failure.ts";
import { collect, generous, isAlive, RealLohar, run, until } from "../support/lohar.ts";
import { guest, lohar, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);

useOneLohar();

describe("a command ends", () => {
  test("with its exit code and both outputs", async () => {
    const done = await run(guest, "echo out; echo err >&2; exit 3");
    expect(done).toEqual({
      exitCode: 3,
      reason: "exited",
      stdout: Buffer.from("out\n"),
      stderr: Buffer.from("err\n"),
    });
  });

  test("with 127 when there is no such program", async () => {
    const done = await run(guest, ["no-such-program"]);
    expect([done.exitCode, done.reason]).toEqual([127, "exited"]);
    expect(done.stderr.toString()).toContain("no-such-program");
  });

  test("with 126 when it cannot be executed", async () => {
    const path = join(lohar.directory, "not-executable");
    await Bun.write(path, "text");
    await chmod(path, 0o644);
    const done = await run(guest, [path]);
    expect([done.exitCode, done.reason]).toEqual([126, "exited"]);
  });

  test("with 128 and the signal's number when a signal killed it", async () => {
    const done = await run(guest, "kill -SEGV $$");
    expect(done).toMatchObject({ exitCode: 139, reason: "signal", signal: "SIGSEGV" });
  });

  test("by the signal that it is sent", async () => {
    const process = await guest.exec(
      { argv: ["sleep", "600"], stdin: false, timeoutMs: 600_000 },
      generous(),
    );
    process.signal("INT");
    const done = await collect(process);
    expect(done).toMatchObject({ exitCode: 130, reason: "signal", signal: "SIGINT" });
  });

  test("by every signal that the contract names, unless it lives on", async () => {
    const survived = ["CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "WINCH"];
    const deadly = signalNames.filter((name) => !survived.includes(name));
    expect(deadly).toHaveLength(31 - survived.length);
    const ends = deadly.map(async (name) => {
      const argv = ["sh", "-c", "ulimit -c 0; exec sleep 600"];
      const process = await guest.exec({ argv, stdin: false, timeoutMs: 600_000 }, generous());
      process.signal(name);
      return (await collect(process)).signal;
    });
    expect(await Promise.all(ends)).toEqual(deadly.map((name) => `SIG${name}`));
  });

  test("with all of its process group when its time is over", async () => {
    let grandchild = 0;
    // As long as a shell takes here to start another process.
    for (let timeoutMs = 200; grandchild === 0; timeoutMs *= 2) {
      const done = await run(guest, "sleep 600 & echo $!; wait", { timeoutMs });
      expect(done).toMatchObject({ exitCode: 137, reason: "timeout" });
      grandchild = Number(done.stdout.toString());
    }
    await until(() => !isAlive(grandchild));
  });

  test("although a grandchild holds its output open", async () => {
    const done = await run(guest, "sleep 600 & echo done");
    expect(done).toMatchObject({ exitCode: 0, reason: "exited", stdout: Buffer.from("done\n") });
  });

  test("fifty times at once, each with its own output", async () => {
    const all = Array.from({ length: 50 }, (_, index) =>
      run(guest, `sleep 0.0$((${index} % 7)); echo ${index}; exit ${index}`),
    );
    for (const [index, done] of (await Promise.all(all)).entries()) {
      expect([done.exitCode, done.stdout.toString()]).toEqual([index, `${index}\n`]);
    }
  });
});

describe("a command starts", () => {
  test("in the default directory, or in the one that it asks for", async () => {
    const inner = join(lohar.directory, "inner");
    await mkdir(inner);
    expect((await run(guest, ["pwd"])).stdout.toString().trim()).toBe(
      await realpath(lohar.directory),
    );
    expect((await run(guest, ["pwd"], { cwd: inner })).stdout.toString().trim()).toBe(
      await realpath(inner),
    );
  });

  test("not at all in a directory that is missing", async () => {
    const failure = await failureOf(run(guest, ["pwd"], { cwd: "/no/such/place" }));
    expect(failure.code).toBe("bad_request");
  });

  test("not at all without a program", async () => {
    expect((await failureOf(run(guest, []))).code).toBe("bad_request");
  });

  test("not at all with more arguments than it may have", async () => {
    expect(await failureOf(run(guest, Array(16_385).fill("true")))).toMatchObject({
      code: "bad_request",
      message: "16385 arguments, the maximum is 16384",
    });
  });

  test("with a clean environment and what was added to it", async () => {
    const configured = { env: { COLOUR: "green", SHAPE: "round" } };
    await using other = await RealLohar.start();
    const elsewhere = await other.connect();
    await elsewhere.configure(configured, generous());
    const done = await run(elsewhere, ["env"], { env: { SHAPE: "square", WORD: "a b=c\né" } });
    const text = done.stdout.toString();
    for (const line of [
      "COLOUR=green",
      "SHAPE=square",
      "WORD=a b=c\né",
      "TERM=xterm-256color",
      "LANG=C.UTF-8",
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toMatch(/^PATH=.*\/usr\/bin/m);
    expect(text).not.toContain("SHAPE=round");
  });

  test("as the leader of a process group of its own", async () => {
    const done = await run(guest, "echo $$; cut -d' ' -f5 /proc/self/stat");
    const [pid, group] = done.stdout.toString().split("\n");
    expect(group).toBe(pid);
  });

  test("and is told in the hello of the next connection", async () => {
    await using other = await RealLohar.start();
    const first = await other.connect();
    const argv = ["sleep", "600"];
    const { session, pid } = await first.exec(
      { argv, stdin: false, timeoutMs: 600_000 },
      generous(),
    );
    first.close();
    const second = await other.connect();
    expect(second.hello.bootId).toBe(first.hello.bootId);
    expect(second.hello.processes).toMatchObject([
      { session, pid, argv, kind: "exec", startedUnixMs: expect.any(Number), running: true },
    ]);
  });
});

describe("stdin", () => {
  test("of 10 MB goes through cat unchanged", async () => {
    const input = crypto.getRandomValues(Buffer.alloc(65_536));
    const large = Buffer.concat(Array(160).fill(input));
    const done = await run(guest, ["cat"], { input: large });
    expect(done.exitCode).toBe(0);
    expect(done.stdout.equals(large)).toBe(true);
  });

  test("that nobody reads does not keep the command from ending", async () => {
    const process = await guest.exec(
      { argv: ["true"], stdin: true, timeoutMs: 60_000 },
      generous(),
    );
    const writing = process.write(new Uint8Array(10_000_000)).catch(() => {});
    expect((await collect(process)).exitCode).toBe(0);
    await writing;
    expect((await failureOf(process.write(Buffer.from("late")))).code).toBe("bad_request");
  });

  test("that is closed is the end of the file", async () => {
    const done = await run(guest, "cat; echo end", { input: new Uint8Array(0) });
    expect(done.stdout.toString()).toBe("end\n");
  });

  test("that was not asked for is /dev/null", async () => {
    const done = await run(guest, "readlink /proc/self/fd/0");
    expect(done.stdout.toString()).toBe("/dev/null\n");
  });

  test("that comes in pieces is read as it comes", async () => {
    const process = await guest.exec({ argv: ["cat"], stdin: true, timeoutMs: 60_000 }, generous());
    const output = process[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      await process.write(Buffer.from(word));
      const { value } = await output.next();
      expect(Buffer.from(value?.chunk.subarray(1) ?? []).toString()).toBe(word);
    }
    process.closeStdin();
    expect((await output.next()).done).toBe(true);
    expect((await process.result).exitCode).toBe(0);
  });
});

describe("a terminal", () => {
  const terminal = { tty: { rows: 33, cols: 111 }, stdin: true, timeoutMs: 120_000 };

  test("has the size that it was given, and takes a new one", async () => {
    const argv = ["sh", "-c", "stty size; read line; stty size"];
    const process = await guest.exec({ ...terminal, argv }, generous());
    let text = "";
    for await (const { channel, chunk } of process) {
      expect(channel).toBe(1);
      text += Buffer.from(chunk.subarray(1));
      if (text !== "33 111\r\n") continue;
      process.resize({ rows: 44, cols: 222 });
      await process.write(Buffer.from("\n"));
    }
    expect(text).toBe("33 111\r\n\r\n44 222\r\n");
    expect((await process.result).exitCode).toBe(0);
  });

  test("is one: echo, interrupts and the end of the file work", async () => {
    const cat = await guest.exec({ ...terminal, argv: ["cat"] }, generous());
    await cat.write(Buffer.from("hi\n"));
    cat.closeStdin();
    const ended = await collect(cat);
    expect([ended.exitCode, ended.stdout.toString()]).toEqual([0, "hi\r\nhi\r\n"]);

    const argv = [
      "sh",
      "-c",
      "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.01; done",
    ];
    const trapped = await guest.exec({ ...terminal, argv }, generous());
    let text = "";
    for await (const { chunk } of trapped) {
      const ready = text.includes("ready");
      text += Buffer.from(chunk.subarray(1));
      if (!ready && text.includes("ready")) await trapped.write(Buffer.of(3));
    }
    expect(text).toContain("caught");
    expect((await trapped.result).exitCode).toBe(5);
  });
});
