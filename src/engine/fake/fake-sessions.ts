/** The sessions of a fake guest. */
import type { ExecRequest } from "../../agent/guest.ts";
import {
  type AttachRequest,
  type GuestProcessInfo,
  type LogRequest,
  logPathOf,
  type ProcessKind,
  type ReadLog,
} from "../../agent/guest-sessions.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { sessionName } from "./fake-process.ts";
import type { FakeFile, FakeSurroundings } from "./fake-programs.ts";
import { FakeSession } from "./fake-session.ts";
import type { FakeSessionStream } from "./fake-session-stream.ts";

const maxRunning = 20;
const maxEnded = 32;

export class FakeSessions {
  /** Where logs are kept: they outlive their sessions. */
  readonly #tree: Map<string, FakeFile>;
  readonly #sessions = new Map<string, FakeSession>();
  readonly #logReaders = new Set<(reason: Error) => void>();

  constructor(tree: Map<string, FakeFile>) {
    this.#tree = tree;
  }

  get list(): GuestProcessInfo[] {
    return [...this.#sessions.values()].map(({ info }) => info);
  }

  /** With its first client, who has control. */
  start(request: ExecRequest, number: number, surroundings: FakeSurroundings): FakeSessionStream {
    const running = this.list.filter(({ running, kind }) => running && kind !== "init");
    if (running.length >= maxRunning) {
      throw new BhattiError("session_limit", `${maxRunning} sessions run in the sandbox already`);
    }
    const facts = { kind: kindOf(request), pid: 100 + number, request };
    return this.#begin({ session: sessionName(number), ...facts }, surroundings).attach({
      mode: "control",
    });
  }

  init(script: string, surroundings: FakeSurroundings): void {
    const size = { rows: 24, cols: 80 };
    const request = { argv: ["sh", "-c", script], tty: size, stdin: true, timeoutMs: 0 };
    this.#begin({ session: "init", kind: "init", pid: 99, request }, surroundings);
  }

  attach({ session, ...request }: AttachRequest): FakeSessionStream {
    return this.#find(session).attach(request);
  }

  kill(session: string, name: string): void {
    const { run } = this.#find(session);
    if (run.isOver) throw new BhattiError("session_ended", `session ${session} has ended`);
    run.signal(name);
  }

  readLog({ session, follow = false, tail, from }: LogRequest): ReadLog {
    const file = this.#tree.get(logPathOf(session));
    if (!file) throw notFound(session);
    const live = this.#sessions.get(session);
    const offset = from ?? Math.max(0, file.content.length - (tail ?? Number.POSITIVE_INFINITY));
    let cutBy: Error | undefined;
    const cut = (reason: Error) => {
      cutBy ??= reason;
      live?.bell.ring();
    };
    const readers = this.#logReaders.add(cut);
    async function* read() {
      try {
        for (let at = offset; !cutBy; ) {
          const rest = file?.content.subarray(at) ?? new Uint8Array();
          at += rest.length;
          if (rest.length > 0) yield rest;
          else if (!follow || !live || live.run.isOver) return;
          else await live.bell.heard();
        }
        throw cutBy;
      } finally {
        readers.delete(cut);
      }
    }
    const bytes = read();
    const release = () => cut(new BhattiError("cancelled", "Nobody is interested in the log"));
    return { offset, [Symbol.asyncIterator]: () => bytes, release };
  }

  /** The line is gone: clients are told, sessions go on. */
  cut(reason: Error): void {
    for (const cut of this.#logReaders) cut(reason);
    for (const session of this.#sessions.values()) session.cut(reason);
  }

  lose(reason: Error): void {
    for (const cut of this.#logReaders) cut(reason);
    for (const session of this.#sessions.values()) session.lose(reason);
  }

  #begin(facts: FakeSession["facts"], surroundings: FakeSurroundings): FakeSession {
    const session = new FakeSession(facts, surroundings);
    this.#sessions.set(facts.session, session);
    this.#tree.set(logPathOf(facts.session), {
      mode: 0o644,
      user: facts.request.user ?? "lohar",
      get content() {
        return session.log;
      },
    });
    this.#forgetOldest();
    return session;
  }

  #forgetOldest(): void {
    const ended = this.list.filter(({ running }) => !running);
    for (const { session } of ended.slice(0, -maxEnded)) this.#sessions.delete(session);
  }

  #find(session: string): FakeSession {
    const found = this.#sessions.get(session);
    if (!found) throw notFound(session);
    return found;
  }
}

function kindOf({ tty, stdin }: ExecRequest): ProcessKind {
  if (tty) return "terminal";
  return stdin ? "piped" : "detached";
}

function notFound(session: string): BhattiError {
  return new BhattiError("session_not_found", `there is no session ${session}`);
}
