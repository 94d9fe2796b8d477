import { expect, test } from "bun:test";
import type { BhattiError } from "../errors/bhatti-error.ts";
import { Client } from "./client.ts";
import { followLog } from "./log-stream.ts";

/** What one connection says before it is lost; text is output, objects are events. */
type Script = (object | string)[] | Error;

function daemon(scripts: Script[]) {
  const asked: string[] = [];
  const client = new Client({
    url: "http://daemon",
    token: "t",
    fetch: () => Promise.reject(new Error("no")),
    async connectWebSocket(url) {
      asked.push(new URL(url).search);
      const script = scripts.shift() ?? new Error("no more");
      if (script instanceof Error) throw script;
      const messages = async function* () {
        for (const one of script) {
          yield typeof one === "string" ? new TextEncoder().encode(one) : JSON.stringify(one);
        }
      };
      return { send: async () => {}, messages: messages(), close() {} };
    },
  });
  return { client, asked };
}

const begun = (offset?: number) => ({ type: "log", session_id: "sess-1", offset });
const end = { type: "end" };

async function told(client: Client, patienceMs?: number) {
  const log = { ref: "dev", session: "sess-1", tail: 9, ...(patienceMs && { patienceMs }) };
  const events: string[] = [];
  try {
    for await (const event of followLog(client, log)) {
      if (event.type === "output") events.push(new TextDecoder().decode(event.data));
      else events.push(event.type === "regained" ? `regained ${event.complete}` : event.type);
    }
    events.push("end");
  } catch (error) {
    events.push((error as BhattiError).code ?? String(error));
  }
  return events;
}

test("a lost connection is made again, at the byte where it was lost", async () => {
  const { client, asked } = daemon([
    [begun(100), "hello ", "wor"],
    new Error("refused"),
    [begun(109), "ld", end],
  ]);
  expect(await told(client)).toEqual(["hello ", "wor", "lost", "regained true", "ld", "end"]);
  expect(asked).toEqual(["?tail=9", "?from=109", "?from=109"]);
});

test("nothing is missed of a log that was silent so far", async () => {
  const { client, asked } = daemon([[begun(100)], [begun(100), "x", end]]);
  expect(await told(client)).toEqual(["lost", "regained true", "x", "end"]);
  expect(asked).toEqual(["?tail=9", "?from=100"]);
});

test("what is no longer kept is told of", async () => {
  const { client } = daemon([
    [begun(0), "abc"],
    [begun(1000), "xyz", end],
  ]);
  expect(await told(client)).toEqual(["abc", "lost", "regained false", "xyz", "end"]);
});

test.each(["session_not_found", "machine_lost", "sandbox_not_running"])(
  "%s is the end",
  async (code) => {
    const { client } = daemon([
      [begun(0), "abc", { type: "error", error: "it is so", code, request_id: "req_1" }],
    ]);
    expect(await told(client)).toEqual(["abc", code]);
  },
);

test("a log without a known offset ends with a lost connection", async () => {
  const { client, asked } = daemon([[begun(), "abc"]]);
  expect(await told(client)).toEqual(["abc", "connection_lost"]);
  expect(asked).toHaveLength(1);
});

test("reconnecting a log ends after the timeout", async () => {
  const { client } = daemon([[begun(0), "abc"]]);
  expect(await told(client, 1)).toEqual(["abc", "lost", "connection_lost"]);
});
