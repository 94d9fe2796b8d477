import { expect, test } from "bun:test";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { silentLogger } from "../../observability/log.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import { streamOutput } from "./exec-ndjson.ts";

test("a client that left while the command was started lets go of it", () => {
  let released = 0;
  const release = () => {
    released += 1;
  };
  const command = { release } as RunningCommand;
  const signal = AbortSignal.abort(new BhattiError("shutting_down", "going down"));
  const options = { requestId: "req_1", log: silentLogger, signal, base64: false };
  expect(() => streamOutput(command, options)).toThrow("going down");
  expect(released).toBe(1);
});
