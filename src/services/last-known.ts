/** Last reported sessions and disk and memory use of guests; stored, so that it outlives the machine and the daemon. */
import { z } from "zod";
import type { Guest, GuestStats } from "../agent/guest.ts";
import { fileOwners } from "../agent/guest-files.ts";
import { exitReasons, type GuestProcessInfo, processKinds } from "../agent/guest-sessions.ts";
import { within } from "../async/deadline.ts";
import type { Machine } from "../engine/engine.ts";
import type { Logger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";
import type { SandboxActor } from "./sandbox-actor.ts";

export interface RememberedSessions {
  sessions: GuestProcessInfo[];
  /** RFC 3339, UTC. */
  at: string;
}

const askMs = 3000;

/** As stored. */
const Remembered = z.array(
  z.object({
    session: z.string(),
    kind: z.enum(processKinds),
    pid: z.int(),
    argv: z.array(z.string()),
    tty: z.boolean(),
    stdin: z.boolean(),
    user: z.enum(fileOwners),
    startedUnixMs: z.number(),
    running: z.boolean(),
    attached: z.boolean(),
    watchers: z.int(),
    logBytes: z.int(),
    exitCode: z.int().exactOptional(),
    reason: z.enum(exitReasons).exactOptional(),
    signal: z.string().exactOptional(),
    endedUnixMs: z.number().exactOptional(),
  }),
);

/** Disk and memory use of a guest. */
export interface Usage extends GuestStats {
  /** When it was measured: RFC 3339, UTC. */
  at: string;
}

const KeptUsage = z.object({
  diskTotal: z.int(),
  diskUsed: z.int(),
  memoryTotal: z.int(),
  memoryAvailable: z.int(),
  at: z.string(),
});

/** A kind of report, and how it is requested and stored. */
interface Fact<T> {
  name: string;
  ask(guest: Guest, signal: AbortSignal): Promise<T>;
  store(value: T): void;
}

export class LastKnown {
  readonly #store: Store;
  readonly #log: Logger;

  constructor(store: Store, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Before its machine is paused or suspended. Never throws: a failure must not keep it running. */
  async ask({ id }: SandboxActor, machine: Machine, signal: AbortSignal): Promise<void> {
    const { sandboxes } = this.#store;
    const at = new Date().toISOString();
    await Promise.all([
      this.#ask(id, machine, signal, {
        name: "sessions",
        ask: (guest, until) => guest.processes(until),
        store: (processes) =>
          sandboxes.rememberSessions(id, { json: JSON.stringify(sessionsAmong(processes)), at }),
      }),
      this.#ask(id, machine, signal, {
        name: "usage",
        ask: (guest, until) => guest.stats(until),
        store: (stats) => sandboxes.storeUsage(id, JSON.stringify({ ...stats, at })),
      }),
    ]);
  }

  /** Marks them as detached: a paused machine has no clients. */
  sessions(id: string): RememberedSessions | undefined {
    const kept = this.#store.sandboxes.sessionsOf(id);
    if (!kept) return undefined;
    const sessions = this.#parsed(id, Remembered, kept.json) ?? [];
    const alone = { attached: false, watchers: 0 };
    return { sessions: sessions.map((session) => ({ ...session, ...alone })), at: kept.at };
  }

  usage(id: string): Usage | undefined {
    const json = this.#store.sandboxes.usageOf(id);
    return json === undefined ? undefined : this.#parsed(id, KeptUsage, json);
  }

  async #ask<T>(id: string, machine: Machine, signal: AbortSignal, fact: Fact<T>): Promise<void> {
    try {
      const value = await within(askMs, `Asking for its ${fact.name}`, signal, async (until) =>
        fact.ask(await machine.guest(until), until),
      );
      fact.store(value);
    } catch (error) {
      this.#log.debug(`cannot store the ${fact.name} of a sandbox`, { sandbox: id, error });
    }
  }

  /** Undefined if it cannot be parsed, such as that of a later version. */
  #parsed<S extends z.ZodType>(id: string, schema: S, json: string): z.output<S> | undefined {
    try {
      return schema.parse(JSON.parse(json));
    } catch (error) {
      this.#log.warn("cannot read what a guest last reported", { sandbox: id, error });
      return undefined;
    }
  }
}

/** Plain commands are none. */
export function sessionsAmong(processes: GuestProcessInfo[]): GuestProcessInfo[] {
  return processes.filter(({ kind }) => kind !== "exec");
}
