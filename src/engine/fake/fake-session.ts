/** A session of a fake guest: a program that goes on whether somebody listens or not, what is kept of its output, its log. */
import type { ExecRequest, ExecResult, TerminalSize } from "../../agent/guest.ts";
import {
  type AttachRequest,
  type GuestProcessInfo,
  logPathOf,
  type ProcessKind,
} from "../../agent/guest-sessions.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { Bell } from "./fake-pipes.ts";
import type { FakeSurroundings } from "./fake-programs.ts";
import { FakeRun } from "./fake-run.ts";
import { FakeSessionStream } from "./fake-session-stream.ts";

const keptBytes = 65_536;
const pieceBytes = 16_384;
const maxWatchers = 8;

export interface FakeSessionFacts {
  session: string;
  kind: ProcessKind;
  pid: number;
  request: ExecRequest;
}

export class FakeSession {
  readonly facts: FakeSessionFacts;
  readonly run: FakeRun;
  readonly startedUnixMs = Date.now();
  /** Rings whenever there is more output, less of it waits, or it has ended. */
  readonly bell = new Bell();
  /** All that it has written. */
  #written: Buffer[] = [];
  /** How much that is. */
  end = 0;
  endedUnixMs: number | undefined;
  #kept: Buffer = Buffer.alloc(0);
  #stdinIsOpen: boolean;
  #control: FakeSessionStream | undefined;
  readonly #watchers = new Set<FakeSessionStream>();
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(facts: FakeSessionFacts, surroundings: FakeSurroundings) {
    this.facts = facts;
    this.#stdinIsOpen = facts.request.stdin || this.isTerminal;
    this.run = new FakeRun(facts.request, surroundings, {
      write: (_channel, data) => this.#write(data),
      finished: () => this.#finished(),
    });
    this.#awaitClient();
  }

  get isTerminal(): boolean {
    return this.facts.request.tty !== undefined;
  }

  get logPath(): string {
    return logPathOf(this.facts.session);
  }

  get outcome(): ExecResult | undefined {
    return this.run.outcome;
  }

  /** The number of the first byte that is kept. */
  get start(): number {
    return this.end - this.#kept.length;
  }

  get log(): Uint8Array {
    return Buffer.concat(this.#written);
  }

  get info(): GuestProcessInfo {
    const { session, kind, pid, request } = this.facts;
    const { outcome, endedUnixMs } = this;
    return {
      ...{ session, kind, pid, argv: request.argv, tty: this.isTerminal },
      stdin: this.#stdinIsOpen && !this.run.isOver,
      user: request.user ?? "lohar",
      startedUnixMs: this.startedUnixMs,
      running: !this.run.isOver,
      attached: this.#control !== undefined,
      watchers: this.#watchers.size,
      logBytes: this.end,
      ...(outcome && { exitCode: outcome.exitCode }),
      ...(outcome && outcome.reason !== "lost" && { reason: outcome.reason }),
      ...(outcome?.signal !== undefined && { signal: outcome.signal }),
      ...(endedUnixMs !== undefined && { endedUnixMs }),
    };
  }

  attach(request: Omit<AttachRequest, "session">): FakeSessionStream {
    const { from, tty } = request;
    const isKept = from !== undefined && from >= this.start && from <= this.end;
    const stream = new FakeSessionStream(this, request.mode, isKept ? from : this.start);
    if (this.run.isOver) return stream;
    if (request.mode === "watch") {
      if (this.#watchers.size >= maxWatchers) {
        throw new BhattiError("guest_busy", `${maxWatchers} clients watch it already`);
      }
      this.#watchers.add(stream);
    } else {
      if (this.#control && request.ifDetached) {
        throw new BhattiError("session_attached", "another client has the session");
      }
      this.#control?.cut(new BhattiError("session_taken", "another client took the session over"));
      this.#control = stream;
      clearTimeout(this.#idle);
    }
    if (tty) this.resize(tty);
    const { size } = this.run;
    if (request.resized && size) {
      stream.resized = request.resized;
      request.resized(size);
    }
    return stream;
  }

  left(stream: FakeSessionStream): void {
    this.#watchers.delete(stream);
    if (this.#control !== stream) return;
    this.#control = undefined;
    this.#awaitClient();
    this.bell.ring();
  }

  resize(size: TerminalSize): void {
    this.run.resize(size);
    for (const stream of [this.#control, ...this.#watchers]) stream?.resized?.(size);
  }

  closeStdin(): void {
    this.#stdinIsOpen = false;
    this.run.stdin.end();
  }

  /** What is kept from there on, with the channel byte before it. */
  chunkAt(offset: number): Uint8Array {
    const from = offset - this.start;
    return Buffer.concat([Uint8Array.of(1), this.#kept.subarray(from, from + pieceBytes)]);
  }

  /** Nobody hears of it any more. */
  cut(reason: Error): void {
    for (const stream of [this.#control, ...this.#watchers]) stream?.cut(reason);
  }

  lose(reason: Error): void {
    clearTimeout(this.#idle);
    this.run.end();
    this.cut(reason);
  }

  /** Whoever has control stalls it by not reading. */
  async #write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += pieceBytes) {
      const piece = Buffer.from(data.subarray(at, at + pieceBytes));
      while (this.#isStalled(piece.length) && !this.run.isOver) await this.bell.heard();
      this.#written.push(piece);
      this.end += piece.length;
      this.#kept = Buffer.concat([this.#kept, piece]).subarray(-keptBytes);
      this.bell.ring();
    }
  }

  #isStalled(more: number): boolean {
    return this.#control !== undefined && this.#control.cursor < this.end + more - keptBytes;
  }

  #finished(): void {
    clearTimeout(this.#idle);
    this.endedUnixMs = Date.now();
    for (const stream of [this.#control, ...this.#watchers]) stream?.sessionEnded();
    this.#control = undefined;
    this.#watchers.clear();
    this.bell.ring();
  }

  #awaitClient(): void {
    const { maxIdleMs } = this.facts.request;
    if (!maxIdleMs || this.run.isOver) return;
    this.#idle = setTimeout(() => this.run.signal("KILL"), maxIdleMs);
  }
}
