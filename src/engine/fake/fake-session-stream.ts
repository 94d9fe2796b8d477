/** One client of a fake session: it reads what is kept at its own pace, and has control or only looks on. */
import type { ExecOutput, ExecResult, TerminalSize } from "../../agent/guest.ts";
import { Channel } from "../../agent/guest.ts";
import type { AttachedSession, AttachRequest } from "../../agent/guest-sessions.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { FakeSession } from "./fake-session.ts";

export class FakeSessionStream implements AttachedSession {
  readonly offset: number;
  readonly prelude: string;
  readonly result: Promise<ExecResult>;
  /** The number of the byte that it reads next. */
  cursor: number;
  /** Who wants to know the terminal's size. */
  resized: AttachRequest["resized"];
  readonly #session: FakeSession;
  readonly #hasControl: boolean;
  readonly #settled = Promise.withResolvers<ExecResult>();
  #state: "reading" | "over" = "reading";
  #failure: Error | undefined;

  constructor(session: FakeSession, mode: AttachRequest["mode"], offset: number) {
    this.#session = session;
    this.#hasControl = mode === "control";
    this.offset = offset;
    this.cursor = offset;
    this.prelude = "";
    this.result = this.#settled.promise;
    this.result.catch(() => {}); // whoever wants to know asks; nobody has to
    if (session.run.isOver) this.sessionEnded();
  }

  get session(): string {
    return this.#session.facts.session;
  }

  get pid(): number {
    return this.#session.facts.pid;
  }

  get log(): string {
    return this.#session.logPath;
  }

  get tty(): boolean {
    return this.#session.isTerminal;
  }

  get stdin(): boolean {
    return this.#session.info.stdin;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ExecOutput> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.#state === "over") return;
      const session = this.#session;
      this.cursor = Math.max(this.cursor, session.start); // it was too slow for the rest
      if (this.cursor < session.end) {
        const chunk = session.chunkAt(this.cursor);
        this.cursor += chunk.length - 1;
        yield { channel: Channel.stdout, chunk };
        session.bell.ring();
      } else if (session.run.isOver) {
        this.sessionEnded();
      } else {
        await session.bell.heard();
      }
    }
  }

  async write(data: Uint8Array): Promise<void> {
    if (!this.#hasControl) throw new BhattiError("guest_failed", "it only watches");
    await this.#session.run.write(data);
  }

  closeStdin(): void {
    if (this.#hasControl) this.#session.closeStdin();
  }

  resize(size: TerminalSize): void {
    if (this.#hasControl) this.#session.resize(size);
  }

  signal(name: string): void {
    if (this.#hasControl) this.#session.run.signal(name);
  }

  release(): void {
    if (this.#state === "over") return;
    this.#leave();
    this.#settled.resolve({ exitCode: -1, reason: "lost" });
  }

  /** It is told why; the session goes on. */
  cut(reason: Error): void {
    if (this.#state === "over") return;
    this.#failure = reason;
    this.#leave();
    this.#settled.reject(reason);
  }

  /** The result is told after the last of the output. */
  sessionEnded(): void {
    const { outcome, end } = this.#session;
    if (this.#state === "over" || this.cursor < end) return;
    this.#state = "over";
    if (outcome) this.#settled.resolve(outcome);
  }

  #leave(): void {
    this.#state = "over";
    this.#session.left(this);
    this.#session.bell.ring();
  }
}
