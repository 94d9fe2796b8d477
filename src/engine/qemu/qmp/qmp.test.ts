/** The conversation against a server that answers as QEMU does, and as it should not. */
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chunksOf, linesOf } from "../../../host/lines.ts";
import { type Connection, type Listener, listenUnix } from "../../../host/socket.ts";
import { Qmp } from "./qmp.ts";

interface Command {
  execute: string;
  id: number;
}

let directory: string;
let listener: Listener;
afterEach(async () => {
  await listener.close();
  await rm(directory, { recursive: true, force: true });
});

const signal = () => AbortSignal.timeout(60_000);

/** Greets, accepts the negotiation, and leaves every other command to `answer`. */
async function serve(
  answer: (command: Command, send: (message: object) => void, line: Connection) => void,
) {
  directory = await mkdtemp(join(tmpdir(), "bhatti-qmp-"));
  const path = join(directory, "qmp");
  listener = await listenUnix(path, (connection) => {
    const send = (message: object) => void connection.write(`${JSON.stringify(message)}\r\n`);
    send({ QMP: { version: {}, capabilities: [] } });
    void (async () => {
      for await (const text of linesOf(chunksOf(connection), { maxBytes: 65_536 })) {
        const command = JSON.parse(text) as Command;
        if (command.execute === "qmp_capabilities") send({ return: {}, id: command.id });
        else answer(command, send, connection);
      }
    })();
  });
  return Qmp.connect(path, signal());
}

test("commands may overlap: replies find them by id, whatever their order", async () => {
  const held: Command[] = [];
  const qmp = await serve((command, send) => {
    held.push(command);
    if (held.length < 2) return;
    for (const { id, execute } of held.reverse()) send({ return: { of: execute }, id });
  });
  const both = ["query-a", "query-b"].map((name) => qmp.execute(name, {}, signal()));
  expect(await Promise.all(both)).toEqual([{ of: "query-a" }, { of: "query-b" }]);
  qmp.close();
});

test("a refusal carries QEMU's words", async () => {
  const qmp = await serve(({ id }, send) =>
    send({ error: { class: "GenericError", desc: "no such thing" }, id }),
  );
  await expect(qmp.execute("frobnicate", {}, signal())).rejects.toThrow(
    "QEMU refused frobnicate: no such thing",
  );
  qmp.close();
});

test("events reach their listeners, between replies too", async () => {
  const qmp = await serve(({ id }, send) => {
    send({ event: "SHUTDOWN", data: { guest: true } });
    send({ return: {}, id });
  });
  const event = qmp.event("SHUTDOWN", signal());
  await qmp.execute("stop", {}, signal());
  expect((await event).data).toEqual({ guest: true });
  qmp.close();
});

test("when QEMU ends, what waits fails, and so does what comes later", async () => {
  const qmp = await serve((_, __, line) => line.close());
  await expect(qmp.execute("quit", {}, signal())).rejects.toThrow("QEMU closed the QMP connection");
  expect((await qmp.ended).code).toBe("machine_lost");
  await expect(qmp.execute("stop", {}, signal())).rejects.toThrow("QEMU closed the QMP connection");
});

test("a command that is not answered ends with its signal", async () => {
  const qmp = await serve(() => {});
  await expect(qmp.execute("stop", {}, AbortSignal.timeout(20))).rejects.toMatchObject({
    code: "cancelled",
  });
  qmp.close();
});
