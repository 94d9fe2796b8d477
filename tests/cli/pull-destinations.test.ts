/** Destinations of file pull: devices, FIFOs, links and files, as with cp. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { until } from "../support/until.ts";

const content = "0123456789".repeat(30_000);

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
  await daemon.run(["file", "write", "dev", "f"], { stdin: content });
  await daemon.run(["file", "write", "dev", "tree/f"], { stdin: content });
});
afterAll(() => daemon[Symbol.asyncDispose]());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(daemon.home, "local-"));
});

const shell = (script: string) => daemon.shell(script, folder);

const local = (name: string) => readFileSync(join(folder, name), "utf8");
const summary = "pulled 1 file, 300.0 kB\n";

test.each([
  ["-", "$B file pull dev f -"],
  ["/dev/stdout", "$B file pull dev f /dev/stdout"],
  ["/dev/fd/1", "$B file pull dev f /dev/fd/1 | cat"],
  ["/dev/stdout, which is a file", "$B file pull dev f /dev/stdout > out; cat out"],
  ["a link to /dev/stdout", "ln -s /dev/stdout link; $B file pull dev f link | cat"],
])("%s is standard output, which gets the bytes alone", async (_, script) => {
  const { stdout, ...outcome } = await shell(script);
  expect({ ...outcome, isExact: stdout === content }).toEqual({
    code: 0,
    stderr: "",
    isExact: true,
  });
});

test("pull of a file into a directory that does not exist fails without a slash at its end", async () => {
  const { code, stderr } = await shell("$B file pull dev f new/x");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `Error: cannot write "new/x": Directory "new" does not exist\n`,
  });
  expect(readdirSync(folder)).toEqual([]);
});

test("a FIFO gets the bytes, and stays", async () => {
  const { code, stdout } = await shell("mkfifo p; cat p > got & $B file pull dev f p; wait");
  expect({ code, stdout, isExact: local("got") === content }).toEqual({
    code: 0,
    stdout: summary,
    isExact: true,
  });
  expect(lstatSync(join(folder, "p")).isFIFO()).toBe(true);
});

test("file pull into a FIFO fails when the reader closes it", async () => {
  const { code, stderr } = await shell("mkfifo p; head -c 1 p >/dev/null & $B file pull dev f p");
  expect(code).toBe(1);
  expect(stderr).toBe('Error: cannot write "p": Broken pipe\n');
});

test("Ctrl+C ends the wait for a reader of a FIFO", async () => {
  await shell("mkfifo p");
  const child = Bun.spawn([binary, "file", "pull", "dev", "f", "p"], {
    env: { PATH: process.env["PATH"], ...daemon.env },
    ...{ cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" },
  });
  await until("it opens the FIFO", () => waitsInOpen(child.pid));
  child.kill("SIGINT");
  await child.exited;
  expect(child.signalCode).toBe("SIGINT");
});

function waitsInOpen(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((id) =>
    /wait_for_partner|fifo/.test(readFileSync(`/proc/${pid}/task/${id}/wchan`, "utf8")),
  );
}

test.each([
  ["/dev/null", 0, ""],
  ["/dev/full", 1, 'Error: cannot write "link": No space left on device\n'],
])("a link to %s is written through, and stays", async (device, code, stderr) => {
  symlinkSync(device, join(folder, "link"));
  const outcome = await shell("$B file pull dev f link");
  expect(outcome).toEqual({ code, stdout: code === 0 ? summary : "", stderr });
  expect(readlinkSync(join(folder, "link"))).toBe(device);
  expect(lstatSync(device).isCharacterDevice()).toBe(true);
});

test("a link to a file stays, and its file is replaced", async () => {
  mkdirSync(join(folder, "elsewhere"));
  writeFileSync(join(folder, "elsewhere/target"), "old");
  symlinkSync("elsewhere/target", join(folder, "link"));
  expect(await shell("$B file pull dev f link")).toMatchObject({ code: 0, stdout: summary });
  expect(readlinkSync(join(folder, "link"))).toBe("elsewhere/target");
  expect(local("elsewhere/target")).toBe(content);
});

test.each([
  ["a link to nothing", "ln -s nowhere x", "x", "Dangling symbolic link"],
  ["a place below a file", "touch x", "x/y", "Not a directory"],
])("%s is refused", async (_, prepare, path, reason) => {
  expect(await shell(`${prepare}; $B file pull dev f ${path}`)).toEqual({
    code: 1,
    stdout: "",
    stderr: `Error: cannot write "${path}": ${reason}\n`,
  });
});

test("a socket is refused", async () => {
  using _listener = listen(join(folder, "x"));
  expect(await shell("$B file pull dev f x")).toMatchObject({
    code: 1,
    stderr: 'Error: cannot write "x": No such device or address\n',
  });
});

function listen(unix: string): Disposable {
  const listener = Bun.listen({ unix, socket: { data() {} } });
  return { [Symbol.dispose]: () => listener.stop(true) };
}

test("a FIFO within a directory that is pulled into is not replaced", async () => {
  const { code, stderr } = await shell("mkdir into; mkfifo into/f; $B file pull dev tree into");
  expect(code).toBe(1);
  expect(stderr).toContain('"into/f" is a device, FIFO or socket here, and a file there');
  expect(lstatSync(join(folder, "into/f")).isFIFO()).toBe(true);
});

test("a directory is refused on standard output", async () => {
  expect(await shell("$B file pull dev tree -")).toMatchObject({
    code: 1,
    stdout: "",
    stderr:
      "Error: a directory cannot be written to standard output\nUse tar: bhatti exec dev -- tar c tree\n",
  });
});
