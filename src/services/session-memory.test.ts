import { expect, test } from "bun:test";
import { silentLogger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";
import { SessionMemory } from "./session-memory.ts";

test.each(["", "{}", '[{"session":"sess-1"}]'])("what cannot be read (%j) is none", (json) => {
  const at = "2026-01-02T10:09:12.345Z";
  const store = { sandboxes: { sessionsOf: () => ({ json, at }) } } as unknown as Store;
  expect(new SessionMemory(store, silentLogger).recall("a")).toEqual({ sessions: [], at });
});
