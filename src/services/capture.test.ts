import { expect, test } from "bun:test";
import { createLogger } from "../observability/log.ts";
import { removeCapture } from "./capture.ts";

test("removing a capture that takes too long ends with a log entry", async () => {
  const lines: string[] = [];
  const log = createLogger({ level: "error", write: (line) => void lines.push(line) });
  const engine = { removeSnapshot: () => new Promise<never>(() => {}) };
  await removeCapture({ engine, log }, "snap_1", 10);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    {
      msg: "cannot remove the files of a snapshot",
      snapshot: "snap_1",
      error: { code: "timeout" },
    },
  ]);
});
