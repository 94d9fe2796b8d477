import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { ExecRequest, Guest, GuestActivity } from "../../src/agent/guest.ts";
import { generous, RealLohar, run, until } from "../support/lohar.ts";

setDefaultTimeout(120_000);

const sleep: ExecRequest = { argv: ["sleep", "600"], stdin: false, timeoutMs: 600_000 };
const terminal = { ...sleep, tty: { rows: 24, cols: 80 } };

const nothing = { commands: 0, terminals: 0, attached: 0 };

async function becomes(guest: Guest, expected: Partial<GuestActivity>): Promise<void> {
  await until(async () => Bun.deepMatch(expected, await guest.activity(generous())));
}

describe("activity", () => {
  test("of a guest where nothing runs is none", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    const activity = await guest.activity(generous());
    // There is no cgroup on a socket, and what the network of this computer moved is nobody's to say.
    expect(activity).toEqual({
      ...nothing,
      cpuMicroseconds: 0,
      networkBytes: expect.any(Number),
    });
    expect(activity.networkBytes).toBeGreaterThanOrEqual(0);
  });

  test("counts commands and terminals until they end", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    const first = await guest.exec(sleep, generous());
    const second = await guest.exec(sleep, generous());
    const shell = await guest.exec(terminal, generous());
    await becomes(guest, { commands: 2, terminals: 1, attached: 3 });
    second.signal("KILL");
    await becomes(guest, { commands: 1, terminals: 1, attached: 2 });
    shell.signal("KILL");
    await becomes(guest, { commands: 1, terminals: 0, attached: 1 });
    first.signal("KILL");
    await becomes(guest, nothing);
  });

  test("counts what the host has let go of, and what a former host started", async () => {
    await using lohar = await RealLohar.start();
    const first = await lohar.connect();
    const command = await first.exec(sleep, generous());
    await first.exec(terminal, generous());
    command.release();
    await becomes(first, { commands: 1, terminals: 1, attached: 1 });
    first.close();
    const second = await lohar.connect();
    await becomes(second, { commands: 1, terminals: 1, attached: 0 });
    await run(second, ["kill", "-KILL", String(command.pid)]);
    await becomes(second, { commands: 0, terminals: 1, attached: 0 });
  });

  test("is not what a command has left in the background, nor the init script", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    await guest.configure({ init: "sleep 600" }, generous());
    await run(guest, "sleep 600 & true");
    await becomes(guest, nothing);
  });

  test("counts a command that waits for the guest to be thawed", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    await guest.freeze(generous());
    const starting = guest.exec(sleep, generous());
    await becomes(guest, { commands: 1, attached: 1 });
    await guest.thaw(generous());
    (await starting).signal("KILL");
    await becomes(guest, nothing);
  });
});
