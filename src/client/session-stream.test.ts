import { expect, test } from "bun:test";
import { BhattiError } from "../errors/bhatti-error.ts";
import { Client } from "./client.ts";
import { type SessionOptions, type SessionOutput, SessionStream } from "./session-stream.ts";

/** What one connection says before it is lost; text is output, objects are events. */
type Script = (object | string)[] | Error;

function daemon(scripts: Script[]) {
  const firstMessages: unknown[] = [];
  const client = new Client({
    url: "http://daemon",
    token: "t",
    fetch: () => Promise.reject(new Error("no")),
    async connectWebSocket() {
      const script = scripts.shift() ?? new Error("no more");
      if (script instanceof Error) throw script;
      const messages = async function* () {
        for (const one of script) {
          yield typeof one === "string"
            ? new TextEncoder().encode(`\x01${one}`)
            : JSON.stringify(one);
        }
      };
      const send = async (message: string | Uint8Array) => {
        if (typeof message === "string") firstMessages.push(JSON.parse(message));
      };
      return { send, messages: messages(), close() {} };
    },
  });
  return { client, firstMessages };
}

const size = { rows: 24, cols: 80 };
const begun = (more: object = {}) => ({
  type: "session",
  session_id: "sess-1",
  pid: 7,
  tty: true,
  offset: 0,
  ...more,
});
const exit = { type: "exit", exit_code: 3, reason: "exited" };

async function told(client: Client, options: Partial<SessionOptions> = {}) {
  const session = new SessionStream({
    client,
    ref: "dev",
    start: { shell: "reattach", tty: size },
    size: () => ({ rows: 50, cols: 100 }),
    signal: new AbortController().signal,
    ...options,
  });
  const events: string[] = [];
  const word = (event: SessionOutput) => {
    if (event.type === "stdout" || event.type === "stderr")
      return new TextDecoder().decode(event.data);
    return event.type === "regained" ? `regained ${event.complete}` : event.type;
  };
  try {
    for await (const event of session.events()) events.push(word(event));
  } catch (error) {
    events.push((error as BhattiError).code ?? String(error));
  }
  return events;
}

test("a lost connection is made again, at the byte where it was lost", async () => {
  const { client, firstMessages } = daemon([
    [begun({ offset: 100 }), "hello ", "wor"],
    new Error("refused"),
    [begun({ offset: 109 }), "ld", exit],
  ]);
  expect(await told(client)).toEqual([
    "session",
    "hello ",
    "wor",
    "lost",
    "regained true",
    "ld",
    "exit",
  ]);
  expect(firstMessages).toEqual([
    { shell: "reattach", tty: size },
    { attach: "sess-1", mode: "control", from: 109, tty: { rows: 50, cols: 100 } },
  ]);
});

test("what is no longer kept is told of", async () => {
  const { client } = daemon([
    [begun(), "abc"],
    [begun({ offset: 1000 }), "xyz", exit],
  ]);
  expect(await told(client)).toEqual(["session", "abc", "lost", "regained false", "xyz", "exit"]);
});

test("who only looks on goes on looking on, and changes no size", async () => {
  const { client, firstMessages } = daemon([[begun()], [begun(), exit]]);
  await told(client, { start: { attach: "sess-1", mode: "watch" } });
  expect(firstMessages[1]).toEqual({ attach: "sess-1", mode: "watch", from: 0 });
});

test.each(["session_not_found", "session_taken", "machine_lost", "sandbox_not_running"])(
  "%s is the end",
  async (code) => {
    const { client } = daemon([
      [begun(), "abc"],
      [{ type: "error", error: "it is so", code, request_id: "req_1" }],
    ]);
    expect(await told(client)).toEqual(["session", "abc", "lost", code]);
  },
);

test("a daemon that is being restarted says so, and is waited for", async () => {
  const { client } = daemon([
    [begun(), { type: "error", error: "going down", code: "shutting_down", request_id: "req_1" }],
    [begun(), exit],
  ]);
  expect(await told(client)).toEqual(["session", "lost", "regained true", "exit"]);
});

test("before there is a session nothing is tried again: that could make two", async () => {
  const { client, firstMessages } = daemon([[], [begun(), exit]]);
  expect(await told(client)).toEqual(["connection_lost"]);
  expect(firstMessages).toHaveLength(1);
});

test("reconnecting a session ends after the timeout", async () => {
  const { client } = daemon([[begun()]]);
  expect(await told(client, { patienceMs: 1 })).toEqual(["session", "lost", "connection_lost"]);
});

test("who gives up waits no longer", async () => {
  const { client } = daemon([[begun()]]);
  const leave = new AbortController();
  const patience = { signal: leave.signal, mayReconnect: () => true };
  setTimeout(() => leave.abort(new BhattiError("cancelled", "enough")), 10);
  expect(await told(client, patience)).toEqual(["session", "lost", "cancelled"]);
});
