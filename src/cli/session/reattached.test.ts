import { expect, test } from "bun:test";
import { Client } from "../../client/client.ts";
import type { Context } from "../context.ts";
import { describeReattached } from "./reattached.ts";

const event = { type: "session", session_id: "sess-1", pid: 7 } as const;
const listed = { session_id: "sess-1", argv: "login shell", created_at: Date.now() / 1000 - 7200 };

test.each<[string, () => Promise<Response>, string]>([
  ["is told", async () => Response.json([listed]), " (login shell, since 2 h)"],
  ["is not among those that are told", async () => Response.json([]), ""],
  ["cannot be asked for", () => Promise.reject(new Error("no")), ""],
])("what it is %s", async (_what, fetch, about) => {
  const connectWebSocket = () => Promise.reject(new Error("no"));
  const client = new Client({ url: "http://daemon", token: "t", fetch, connectWebSocket });
  const context = { client: async () => client } as Context;
  expect(await describeReattached(context, "dev", event)).toBe(`reattached to sess-1${about}`);
});
