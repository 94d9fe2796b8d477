import { expect, test } from "bun:test";
import type { Guest, GuestStats } from "../agent/guest.ts";
import type { Machine } from "../engine/engine.ts";
import { silentLogger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";
import { LastKnown } from "./last-known.ts";
import type { SandboxActor } from "./sandbox-actor.ts";

const at = "2026-01-02T10:09:12.345Z";
const stats: GuestStats = { diskTotal: 4, diskUsed: 3, memoryTotal: 2, memoryAvailable: 1 };

function storeOf(kept: { sessions?: string; usage?: string }) {
  const sandboxes = {
    sessionsOf: () => (kept.sessions === undefined ? undefined : { json: kept.sessions, at }),
    usageOf: () => kept.usage,
    rememberSessions: (_id: string, { json }: { json: string }) => {
      kept.sessions = json;
    },
    storeUsage: (_id: string, json: string) => {
      kept.usage = json;
    },
  };
  return new LastKnown({ sandboxes } as unknown as Store, silentLogger);
}

test.each(["", "{}", '[{"session":"sess-1"}]'])(
  "sessions that cannot be read (%j) are none",
  (json) => {
    expect(storeOf({ sessions: json }).sessions("a")).toEqual({ sessions: [], at });
  },
);

test.each(["", "[]", '{"diskTotal":1}', '{"diskTotal":"1"}'])(
  "usage that cannot be read (%j) is unknown",
  (usage) => {
    expect(storeOf({ usage }).usage("a")).toBeUndefined();
  },
);

test.each(["processes", "stats"] as const)(
  "what a guest reports is kept when %s fail",
  async (what) => {
    const lastKnown = storeOf({});
    const fail = () => Promise.reject(new Error("no"));
    const guest = { processes: async () => [], stats: async () => stats, [what]: fail };
    const machine = { guest: async () => guest as unknown as Guest } as unknown as Machine;
    await lastKnown.ask({ id: "a" } as SandboxActor, machine, new AbortController().signal);
    const isKept = what === "processes";
    expect(lastKnown.usage("a")).toEqual(isKept ? { ...stats, at: expect.any(String) } : undefined);
    expect(lastKnown.sessions("a")).toEqual(isKept ? undefined : { sessions: [], at });
  },
);
