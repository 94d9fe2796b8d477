/** Logs of sessions with more output than is kept. */
import { expect, test } from "bun:test";
import { startCliDaemon } from "../support/cli-daemon.ts";

test("logs of a session with more than 20 MB of output reports the missing bytes on stderr", async () => {
  await using daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
  const write = "seq -f 'line %07.0f of many' 1 1200000";
  const out = await daemon.ok("exec", "dev", "--detach", "--json", "--", "sh", "-c", write);
  const id: string = JSON.parse(out).session_id;
  const followed = await daemon.run(["logs", "-f", "dev", id]);
  expect(followed.code).toBe(0);
  const { stdout, stderr } = await daemon.run(["logs", "dev", id]);
  const missing = 1_200_000 * "line 0000001 of many\n".length - stdout.length;
  expect(stderr).toBe(`The first ${missing} bytes are missing: a log keeps the last 20 MB\n`);
  expect(stdout).toStartWith("line ");
  const tail = await daemon.run(["logs", "dev", id, "--tail", "1"]);
  expect(tail).toMatchObject({ stdout: "line 1200000 of many\n", stderr: "" });
});
