import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { ExecRequest, ExecResult, Guest } from "../agent/guest.ts";
import { silentLogger } from "../observability/log.ts";
import type { User } from "../store/users.ts";
import { Exec } from "./exec.ts";
import type { Sandboxes } from "./sandboxes.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A command whose guest never reports its end. */
function hangingGuest(): Guest {
  const exec = async (_: ExecRequest, signal: AbortSignal) => {
    const { promise: result, resolve, reject } = Promise.withResolvers<ExecResult>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return { result, log: "", release: () => resolve({ exitCode: -1, reason: "lost" }) };
  };
  return { exec } as unknown as Guest;
}

async function resultOfOverdue(machine: { isStalled: boolean }): Promise<ExecResult> {
  const guest = hangingGuest();
  const sandboxes = {
    get: () => ({ id: "sbx_0", name: "dev" }),
    use: async () => ({
      machine: { ...machine, guest: async () => guest },
      [Symbol.dispose]() {},
    }),
  } as unknown as Sandboxes;
  const exec = new Exec({ sandboxes, events: { record() {} }, log: silentLogger });
  const request = { argv: ["sleep", "9"], stdin: false, timeoutMs: 10_000 };
  const running = await exec.start({} as User, "dev", request, new AbortController().signal);
  jest.advanceTimersByTime(24_999);
  jest.advanceTimersByTime(1);
  return await running.result;
}

test("a command past its timeout in a VM held for disk space fails with that reason", async () => {
  await expect(resultOfOverdue({ isStalled: true })).rejects.toMatchObject({
    code: "disk_full",
    message:
      'Sandbox "dev" did not report the end of the command after its timeout: the VM is paused because the host disk is full',
  });
});

test("a command past its timeout in a VM that runs is released", async () => {
  expect(await resultOfOverdue({ isStalled: false })).toEqual({ exitCode: -1, reason: "lost" });
});
