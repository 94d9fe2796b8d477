/** Arguments that are not UTF-8. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(() => {
  folder = mkdtempSync(join(daemon.home, "local-"));
});

const shell = (script: string) => daemon.shell(script, folder);

const local = (name: Buffer) => Buffer.concat([Buffer.from(`${folder}/`), name]);
const odd = Buffer.from("a\xffb", "latin1");

test("file push reads the local file of that name, and no other", async () => {
  writeFileSync(local(odd), "odd");
  writeFileSync(join(folder, "a\uFFFDb"), "other");
  expect(await shell("$B file push dev $'a\\xffb' x")).toMatchObject({ code: 0, stderr: "" });
  expect(await daemon.ok("file", "read", "dev", "x")).toBe("odd");
});

test("file push reads the local directory of that name", async () => {
  mkdirSync(local(odd));
  writeFileSync(local(Buffer.concat([odd, Buffer.from("/f")])), "odd");
  expect(await shell("$B file push dev $'a\\xffb' tree")).toMatchObject({ code: 0, stderr: "" });
  expect(await daemon.ok("file", "read", "dev", "tree/f")).toBe("odd");
});

test("file pull writes the local file or directory of that name", async () => {
  await daemon.run(["file", "write", "dev", "tree/f"], { stdin: "odd" });
  const script = "$B file pull dev tree/f $'a\\xffb'; $B file pull dev tree $'c\\xff'";
  expect(await shell(script)).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(local(odd), "utf8")).toBe("odd");
  expect(readFileSync(local(Buffer.from("c\xff/f", "latin1")), "utf8")).toBe("odd");
  const names = readdirSync(folder, { encoding: "buffer" }).map((name) => name.toString("latin1"));
  expect(names.toSorted()).toEqual(["a\xffb", "c\xff"]);
});

test("file pull writes through a link to such a name", async () => {
  await daemon.run(["file", "write", "dev", "tree/f"], { stdin: "odd" });
  writeFileSync(local(odd), "old");
  expect(await shell("ln -s $'a\\xffb' link; $B file pull dev tree/f link")).toMatchObject({
    code: 0,
  });
  expect(readFileSync(local(odd), "utf8")).toBe("odd");
});

test("an error names the local file with its bytes in hexadecimal", async () => {
  expect(await shell("$B file push dev $'a\\xffb' x")).toMatchObject({
    code: 1,
    stderr: 'Error: cannot read "a\\xffb": No such file or directory\n',
  });
});

test.each([
  ["exec -e $'A=\\xff' dev env", '--env must be UTF-8, got "A=\\xff"'],
  ["create --name $'\\xff'", '--name must be UTF-8, got "\\xff"'],
  ["inspect $'\\xff'", '<sandbox> must be UTF-8, got "\\xff"'],
])("%s is refused", async (words, error) => {
  const { code, stdout, stderr } = await shell(`$B ${words}`);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toStartWith(`Error: ${error}\n`);
});

test("a file in the sandbox is written, listed and read under its own name", async () => {
  await daemon.ok("file", "mkdir", "dev", "names");
  expect(await shell("echo odd | $B file write dev $'names/a\\xffb'")).toMatchObject({ code: 0 });
  expect(await daemon.ok("file", "ls", "dev", "names")).toEndWith(" a\\xffb\n");
  const [entry] = JSON.parse(await daemon.ok("file", "ls", "dev", "names", "--json"));
  expect(entry.name).toBe("a\0ffb");
  const read = `$B file read dev "$(base64 -d <<< ${entry.path_base64})"`;
  expect(await shell(read)).toEqual({ code: 0, stdout: "odd\n", stderr: "" });
  expect(await shell("$B file mv dev $'names/a\\xffb' plain")).toMatchObject({ code: 0 });
  expect(await daemon.ok("file", "read", "dev", "plain")).toBe("odd\n");
});

test("file pull into a directory gives the local file the name that it has there", async () => {
  await shell("echo odd | $B file write dev $'c\\xffd'");
  expect(await shell("$B file pull dev $'c\\xffd' .")).toMatchObject({ code: 0 });
  expect(readFileSync(local(Buffer.from("c\xffd", "latin1")), "utf8")).toBe("odd\n");
});

test("exec passes an argument on as bytes", async () => {
  const { stdout } = await shell("$B exec dev -- printf %s $'a\\xff' | od -An -tx1");
  expect(stdout).toBe(" 61 ff\n");
});

test("-e NAME refuses a value that is not UTF-8, and passes on U+FFFD", async () => {
  const { stderr } = await shell("V=$'a\\xff' $B exec -e V dev env");
  expect(stderr).toStartWith("Error: the value of V is not UTF-8\n");
  const { stdout } = await shell("V=$'a\\xef\\xbf\\xbd' $B exec -e V dev -- sh -c 'echo $V'");
  expect(stdout).toBe("a\uFFFD\n");
});

test("U+FFFD, empty words and newlines are words like others", async () => {
  const { stdout } = await shell("$B exec dev -- echo '' $'\\xef\\xbf\\xbd' $'x\\n' ''");
  expect(stdout).toBe(" \uFFFD x\n \n");
});
