import { expect, test } from "bun:test";
import { FakeGuest } from "./fake-guest.ts";

const request = { argv: ["sleep", "600"], stdin: false, timeoutMs: 600_000 };
const terminal = { ...request, tty: { rows: 24, cols: 80 } };

test("tells of its activity: what a test says it used, and what runs", async () => {
  const { signal } = new AbortController();
  const guest = new FakeGuest(() => {});
  guest.cpuMicroseconds = 1_000_000;
  guest.networkBytes = 42;
  const command = await guest.exec(request, signal);
  const shell = await guest.exec(terminal, signal);
  expect(await guest.activity(signal)).toEqual({
    cpuMicroseconds: 1_000_000,
    networkBytes: 42,
    commands: 1,
    terminals: 1,
    attached: 2,
  });
  shell.signal("KILL");
  await shell.result;
  command.release();
  await command.result;
  expect(await guest.activity(signal)).toMatchObject({ commands: 1, terminals: 0, attached: 0 });
  guest.letGo.commands = 0;
  expect(await guest.activity(signal)).toMatchObject({ commands: 0, terminals: 0, attached: 0 });
  guest.lose(new Error("the test is over"));
});

test("keeps its hardware address", async () => {
  const { signal } = new AbortController();
  const guest = new FakeGuest(() => {});
  await guest.configure({ mac: "52:54:00:aa:bb:cc" }, signal);
  await guest.configure({}, signal);
  expect(guest.identity.mac).toBe("52:54:00:aa:bb:cc");
});
