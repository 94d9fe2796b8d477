/** One WebSocket of the web shell: the token as its first message, then a terminal as bytes both ways. */
import { reasonOf } from "../../async/deadline.ts";
import { largestSide, ShareAuth, ShareControl, type ShareEvent } from "../../contract/shares.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import type { WebSession } from "../../services/web-session.ts";
import type { ShellVisit } from "../../services/web-shell.ts";
import { parseJson } from "../json-input.ts";
import { parse } from "../validation.ts";
import { relay } from "./relay.ts";
import { type Conversation, closeCodes, type SocketConnection } from "./socket-connection.ts";
import { StdinFeed } from "./stdin-feed.ts";

export interface ShellDoor {
  /** Throws unauthorized, session_limit. */
  open(token: string): WebSession;
  /** What a failure costs: the time until it is told. */
  penalty(signal: AbortSignal): Promise<void>;
  enter(visitor: WebSession, visit: ShellVisit, signal: AbortSignal): Promise<RunningCommand>;
}

/** Codes that are reported also without the right token, as they do not depend on it. */
const publicErrors = ["session_limit", "shutting_down"];
/** Limit on the first message, in characters, which comes before authentication. */
const longestAuth = 2048;

export class WebShellConversation implements Conversation {
  readonly #connection: SocketConnection;
  readonly #door: ShellDoor;
  readonly #stdin: StdinFeed;
  #asked = false;
  #visitor: WebSession | undefined;
  #size: { rows: number; cols: number } | undefined;
  #command: RunningCommand | undefined;

  constructor(connection: SocketConnection, door: ShellDoor) {
    this.#connection = connection;
    this.#door = door;
    this.#stdin = new StdinFeed((bytes) => this.#tell({ type: "stdin_credit", bytes }));
    connection.over.addEventListener("abort", () => this.#end(), { once: true });
  }

  received(message: string | Buffer): void {
    if (!this.#asked) this.#begin(message);
    else if (!this.#visitor)
      return; // it was refused, and will hear of it
    else if (typeof message === "string") this.#control(message);
    else if (!this.#visitor.readOnly) this.#stdin.take(message);
  }

  /** For a page, which sees no pings. */
  checkLife(): void {
    if (this.#visitor) this.#tell({ type: "alive" });
  }

  /** Reports all but `publicErrors` as the same `unauthorized` until the token was right. */
  wording({ error, code }: { error: string; code: string }): ShareEvent {
    if (!this.#visitor && !publicErrors.includes(code)) {
      return { type: "error", error: "unauthorized" };
    }
    return { type: "error", error, code: code === "unauthorized" ? "revoked" : code };
  }

  #begin(message: string | Buffer): void {
    this.#asked = true;
    this.#connection.run(async () => {
      const auth = authOf(message);
      const visitor = auth && this.#admitted(auth.token);
      if (!visitor) {
        await this.#door.penalty(this.#connection.over);
        throw new BhattiError("unauthorized", "unauthorized");
      }
      await this.#visit(visitor, auth);
    });
  }

  #admitted(token: string): WebSession | undefined {
    try {
      return this.#door.open(token);
    } catch (error) {
      if (error instanceof BhattiError && error.code === "unauthorized") return undefined;
      throw error;
    }
  }

  async #visit(visitor: WebSession, auth: ShareAuth): Promise<void> {
    this.#visitor = visitor;
    const { over } = this.#connection;
    if (over.aborted) return this.#end();
    const { whileGood } = visitor;
    if (whileGood.aborted) throw reasonOf(whileGood);
    whileGood.addEventListener("abort", () => this.#connection.fail(whileGood.reason), {
      once: true,
    });
    this.#connection.window.limit(auth.window);
    const { name, status, thermal } = visitor.sandbox;
    const { readOnly } = visitor;
    const mode = readOnly ? { read_only: true } : {};
    this.#tell({ type: "connected", sandbox: name, status, thermal, ...mode });
    const command = await this.#door.enter(
      visitor,
      { ...auth, resized: (size) => this.#resized(size) },
      over,
    );
    this.#command = command;
    this.#tell(sessionEvent(command));
    if (this.#size && !readOnly) command.resize(this.#size);
    if (!readOnly) this.#stdin.feed(command);
    const result = await relay(this.#connection, command, (chunk) =>
      this.#connection.send(chunk.subarray(1)),
    );
    if (!result) return;
    const { exitCode, reason, signal } = result;
    const event = { type: "exit", exit_code: exitCode, reason } as const;
    this.#tell(signal === undefined ? event : { ...event, signal });
    this.#connection.end(closeCodes.done);
  }

  #resized({ rows, cols }: Parameters<ShellVisit["resized"]>[0]): void {
    const isShown = (side: number) => side >= 1 && side <= largestSide;
    if (isShown(rows) && isShown(cols)) this.#tell({ type: "size", rows, cols });
  }

  #control(message: string): void {
    const control = parse(ShareControl, parseJson(message, "control message"), "control message");
    if (control.type === "taken") {
      this.#connection.window.take(control.bytes);
      return;
    }
    const { rows, cols } = control;
    this.#size = { rows, cols };
    if (!this.#visitor?.readOnly) this.#command?.resize(this.#size);
  }

  #end(): void {
    this.#stdin.stop();
    this.#visitor?.[Symbol.dispose]();
  }

  #tell(event: ShareEvent): void {
    this.#connection.tell(event);
  }
}

function authOf(message: string | Buffer): ShareAuth | undefined {
  if (typeof message !== "string" || message.length > longestAuth) return undefined;
  try {
    return parse(ShareAuth, parseJson(message, "first message"), "first message");
  } catch {
    return undefined; // the client gets no details
  }
}

function sessionEvent({ session, offset, prelude, warning }: RunningCommand): ShareEvent {
  return {
    type: "session",
    session_id: session,
    offset: offset ?? 0,
    ...(prelude && { prelude }),
    ...(warning && { warning }),
  };
}
