import { expect, test } from "bun:test";
import { BhattiError } from "../errors/bhatti-error.ts";
import { CommandError, explained, run } from "./process.ts";

test("a command whose signal ends it fails with the signal's reason", async () => {
  const controller = new AbortController();
  const running = run(["sleep", "60"], { signal: controller.signal });
  const reason = new BhattiError("timeout", "Waking it took longer than 50 ms");
  setTimeout(() => controller.abort(reason), 20);
  await expect(running).rejects.toBe(reason);
  await expect(run(["sleep", "60"], { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
    code: "cancelled",
  });
});

test("what was tried takes the place of the command, the command's own words stay", async () => {
  const fail = (script: string) => () => run(["sh", "-c", script]);
  const full = "echo first; echo 'x: No space left on device' >&2; exit 1";
  await expect(explained("It was not made", fail(full))).rejects.toThrow(
    /^It was not made: x: No space left on device$/,
  );
  await expect(explained("It was not made", fail("exit 3"))).rejects.toThrow(
    /^It was not made: failed with exit code 3$/,
  );
  await expect(explained("It was not made", () => run(["no-such-program"]))).rejects.toThrow(
    CommandError,
  );
});
