import { expect, test } from "bun:test";
import type { ServerWebSocket } from "bun";
import type { Clock } from "../../async/clock.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { silentLogger } from "../../observability/log.ts";
import type { SocketData } from "../request.ts";
import { SocketConnection } from "./socket-connection.ts";

function connected() {
  const calls: string[] = [];
  const timers: (() => void)[] = [];
  let buffered = 0;
  const socket = {
    sendText: (text: string) => {
      calls.push(text);
      return buffered > 0 ? -1 : text.length;
    },
    getBufferedAmount: () => buffered,
    close: (code: number) => calls.push(`close ${code}`),
    terminate: () => calls.push("terminate"),
  };
  const clock: Clock = {
    now: () => 0,
    steady: () => 0,
    timer: (_milliseconds, work) => {
      timers.push(work);
      return { [Symbol.dispose]: () => {} };
    },
  };
  const connection = new SocketConnection({
    ...{ requestId: "req_1", clock, log: silentLogger, admit: () => {}, clientBegins: false },
    talk: () => ({ received: () => {} }),
  });
  connection.opened(socket as unknown as ServerWebSocket<SocketData>);
  const buffer = (bytes: number) => {
    buffered = bytes;
  };
  return { connection, calls, timers, buffer };
}

test("a connection is closed at once when the client has taken everything", () => {
  const { connection, calls } = connected();
  connection.tell({ type: "end" });
  connection.end(1000);
  expect(calls).toEqual(['{"type":"end"}', "close 1000"]);
});

test("a connection is closed after the client has taken the last message", () => {
  const { connection, calls, buffer, timers } = connected();
  buffer(100);
  connection.tell({ type: "exit" });
  connection.end(1000);
  expect(connection.over.aborted).toBeTrue();
  connection.drained();
  expect(calls).toEqual(['{"type":"exit"}']);
  buffer(0);
  connection.drained();
  expect(calls).toEqual(['{"type":"exit"}', "close 1000"]);
  connection.drained();
  connection.closed();
  expect(calls).toHaveLength(2);
  expect(timers).toEqual([]);
});

test("a client that does not read why it failed is cut", () => {
  const { connection, calls, buffer, timers } = connected();
  buffer(100);
  connection.fail(new BhattiError("unauthorized", "no"));
  expect(calls).toHaveLength(1);
  for (const timer of timers) timer();
  expect(calls.slice(1)).toEqual(["terminate"]);
});
