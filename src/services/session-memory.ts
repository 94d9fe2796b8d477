/** What ran in sandboxes when they were last asked: the answer while they sleep, which survives the daemon. */
import { z } from "zod";
import type { GuestProcessInfo } from "../agent/guest-sessions.ts";
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

const rememberMs = 3000;

/** In the form in which it is kept. */
const Remembered = z.array(
  z.object({
    session: z.string(),
    kind: z.enum(["exec", "terminal", "piped", "detached", "init"]),
    pid: z.int(),
    argv: z.array(z.string()),
    tty: z.boolean(),
    stdin: z.boolean(),
    user: z.enum(["lohar", "root"]),
    startedUnixMs: z.number(),
    running: z.boolean(),
    attached: z.boolean(),
    watchers: z.int(),
    logBytes: z.int(),
    exitCode: z.int().exactOptional(),
    reason: z.enum(["exited", "signal", "timeout", "oom"]).exactOptional(),
    signal: z.string().exactOptional(),
    endedUnixMs: z.number().exactOptional(),
  }),
);

export class SessionMemory {
  readonly #store: Store;
  readonly #log: Logger;

  constructor(store: Store, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Before its machine goes to sleep. Never throws: whatever becomes of this, it may sleep. */
  async ask({ id }: SandboxActor, machine: Machine, signal: AbortSignal): Promise<void> {
    try {
      const processes = await within(rememberMs, "Listing sessions", signal, async (until) =>
        (await machine.guest(until)).processes(until),
      );
      const json = JSON.stringify(sessionsAmong(processes));
      this.#store.sandboxes.rememberSessions(id, { json, at: new Date().toISOString() });
    } catch (error) {
      this.#log.debug("cannot store the sessions of a sandbox", { sandbox: id, error });
    }
  }

  /** As they are while nobody can be attached to them. */
  recall(id: string): RememberedSessions | undefined {
    const kept = this.#store.sandboxes.sessionsOf(id);
    if (!kept) return undefined;
    const sessions = this.#parsed(id, kept.json);
    const alone = { attached: false, watchers: 0 };
    return { sessions: sessions.map((session) => ({ ...session, ...alone })), at: kept.at };
  }

  /** What cannot be understood, such as that of a later version, is not worth failing for. */
  #parsed(id: string, json: string): GuestProcessInfo[] {
    try {
      return Remembered.parse(JSON.parse(json));
    } catch (error) {
      this.#log.warn("cannot read the stored sessions of a sandbox", { sandbox: id, error });
      return [];
    }
  }
}

/** Plain commands are none. */
export function sessionsAmong(processes: GuestProcessInfo[]): GuestProcessInfo[] {
  return processes.filter(({ kind }) => kind !== "exec");
}
