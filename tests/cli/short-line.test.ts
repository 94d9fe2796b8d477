/** A line to the daemon that drops at any byte: a command's outcome is the true one, with all it said, or a failure. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { type ShortLine, shortLine } from "../support/short-line.ts";

let daemon: CliDaemon;
const content = "0123456789abcde\n".repeat(20_000);
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
  const write = ["file", "write", "dev", "content"];
  expect((await daemon.run(write, { stdin: content })).code).toBe(0);
});
afterAll(() => daemon[Symbol.asyncDispose]());

test.each<[string, string[], string | undefined, number]>([
  ["stdin and output", ["exec", "dev", "--", "sh", "-c", "cat; exit 3"], content, 3],
  ["a file", ["file", "read", "dev", "content"], undefined, 0],
])("%s", async (_what, words, stdin, code) => {
  const run = async (line: ShortLine) =>
    await daemon.run(words, {
      env: { BHATTI_URL: line.url },
      ...(stdin !== undefined && { stdin }),
    });
  await using long = await shortLine(daemon.url, Number.MAX_SAFE_INTEGER, "end");
  expect(await run(long)).toMatchObject({ code, stdout: content, stderr: "" });
  const all = long.carried();
  expect(all).toBeGreaterThan(content.length);
  const places = [1, 100, 400, 700, all - 1, all - 2, all - 8, all - 60];
  while (places.length < 16) places.push(1 + Math.floor(Math.random() * all));
  for (const [at, place] of places.entries()) {
    const how = at % 2 === 0 ? "reset" : "end";
    await using line = await shortLine(daemon.url, place, how);
    const told = await run(line);
    const broken = `${how} after ${place} of ${all} bytes: ${told.stderr}`;
    if (told.code === code && told.stderr === "") expect(told.stdout, broken).toBe(content);
    else expect(told, broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/./) });
    expect(content.startsWith(told.stdout), broken).toBe(true);
  }
});
