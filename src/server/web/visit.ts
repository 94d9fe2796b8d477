/** One visit to a sandbox: keeps a link to it, goes back to the same session when that breaks, and says how it stands. */
import type { ShareEvent } from "../../contract/shares.ts";
import { Link, windowBytes } from "./link.ts";
import type { Screen } from "./screen.ts";
import { introduce, offer, say } from "./status.ts";

/** How long to wait before each further attempt. */
const patience = [500, 1000, 2000, 4000, 8000, 15_000];
/** What is over by itself: the daemon is started again, or finds its way to the guest again. */
const passing = ["shutting_down", "connection_lost"];

type Told<T extends ShareEvent["type"]> = Extract<ShareEvent, { type: T }>;

export class Visit {
  readonly #screen: Screen;
  readonly #token: string;
  readonly #encoder = new TextEncoder();
  #link: Link | undefined;
  #attempts = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** What the daemon calls the shell, and how much of its output is on the screen. */
  #session = remembered.read();
  #seen: number | undefined;
  #readOnly = false;
  /** The daemon has said how it ends, so its closing the connection says nothing new. */
  #isSettled = false;

  constructor(screen: Screen, token: string) {
    this.#screen = screen;
    this.#token = token;
    const { terminal } = screen;
    terminal.onData((text) => this.#type(this.#encoder.encode(text)));
    terminal.onBinary((text) =>
      this.#type(Uint8Array.from(text, (character) => character.charCodeAt(0))),
    );
    terminal.onResize(({ rows, cols }) => this.#link?.control({ type: "resize", rows, cols }));
    // Back from sleep, or from a tunnel: not a moment later than needed.
    window.addEventListener("online", () => this.#hurry());
  }

  connect(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#isSettled = false;
    this.#link?.close();
    say("busy", this.#attempts === 0 ? "Connecting…" : "Reconnecting…");
    offer();
    const { rows, cols } = this.#screen.terminal;
    const link: Link = new Link(
      socketAddress(),
      {
        ...{ type: "auth", token: this.#token, rows, cols, window: windowBytes },
        ...(this.#session !== undefined && { session: this.#session }),
        ...(this.#session !== undefined && this.#seen !== undefined && { from: this.#seen }),
      },
      {
        told: (event) => this.#told(event),
        output: (bytes) => this.#output(bytes, link),
        closed: () => this.#closed(),
      },
    );
    this.#link = link;
  }

  #type(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#readOnly) this.#link?.type(bytes);
  }

  #output(bytes: Uint8Array, link: Link): void {
    this.#seen = (this.#seen ?? 0) + bytes.length;
    this.#screen.show(bytes, () => link.took(bytes.length));
  }

  #told(event: ShareEvent): void {
    if (event.type === "connected") this.#connected(event);
    else if (event.type === "session") this.#entered(event);
    else if (event.type === "size") this.#screen.follow(event);
    else if (event.type === "exit") this.#ended(event);
    else if (event.type === "error") this.#failed(event);
  }

  #connected({ sandbox, status, thermal, read_only: readOnly = false }: Told<"connected">): void {
    introduce(sandbox, readOnly);
    this.#readOnly = readOnly;
    this.#screen.setReadOnly(readOnly);
    // Keys that are typed from now on reach the shell as soon as it is there.
    this.#screen.terminal.focus();
    const sleeps = status !== "running" || (thermal !== undefined && thermal !== "hot");
    say("busy", sleeps ? "Waking the sandbox…" : "Opening a shell…");
  }

  #entered({ session_id: session, offset, prelude, warning }: Told<"session">): void {
    const goesOn = session === this.#session && offset === this.#seen;
    if (!goesOn) {
      this.#screen.clear();
      if (prelude) this.#screen.show(this.#encoder.encode(prelude), () => {});
    }
    this.#session = session;
    this.#seen = offset;
    if (!this.#readOnly) remembered.write(session);
    this.#attempts = 0;
    // It may have been resized while disconnected.
    const { rows, cols } = this.#screen.terminal;
    if (!this.#readOnly) this.#link?.control({ type: "resize", rows, cols });
    const state = this.#readOnly ? `Watching ${session}` : "Connected";
    say("good", warning ? `${state}. The sandbox lost its memory: ${warning}` : state);
  }

  #ended({ exit_code: code, signal }: Told<"exit">): void {
    this.#forget();
    const how = signal ? `${signal}` : `exit code ${code}`;
    this.#settle(`The shell has ended (${how})`, this.#readOnly ? "Watch again" : "New shell");
  }

  #failed({ error, code }: Told<"error">): void {
    if (passing.includes(code ?? "")) return; // the connection is closed next, which has us try again
    if (code === undefined) {
      this.#forget();
      this.#settle("This link is invalid or has expired. Ask for a new one", undefined);
    } else if (code === "revoked") {
      this.#forget();
      this.#settle(`Disconnected: ${error}. Ask for a new link`, undefined);
    } else if (code === "session_taken") {
      this.#settle("This shell is open in another window", "Reconnect");
    } else if (code === "session_limit") {
      this.#settle(error, "Try again");
    } else if (code === "session_not_found" && !this.#readOnly) {
      this.#forget();
      this.#settle("The shell has ended", "New shell");
    } else {
      this.#settle(error, this.#readOnly ? "Watch again" : "Reconnect");
    }
  }

  /** Nothing happens from here on unless the visitor wants it. */
  #settle(text: string, again: string | undefined): void {
    this.#isSettled = true;
    this.#attempts = 0;
    say("bad", text);
    offer(again, () => this.connect());
  }

  #closed(): void {
    this.#link = undefined;
    if (this.#isSettled) return;
    const wait = patience[this.#attempts];
    if (wait === undefined) {
      this.#settle("Connection lost", "Reconnect");
      return;
    }
    this.#attempts += 1;
    say("busy", `Connection lost, reconnecting (${this.#attempts} of ${patience.length})…`);
    offer("Reconnect now", () => this.connect());
    this.#retry = setTimeout(() => this.connect(), wait);
  }

  #hurry(): void {
    if (this.#retry !== undefined) this.connect();
  }

  #forget(): void {
    this.#session = undefined;
    this.#seen = undefined;
    remembered.write(undefined);
  }
}

/** For this tab alone: a page that is loaded again goes back to its shell. */
const remembered = {
  key: `bhatti.session ${location.pathname}`,
  read: (): string | undefined => memory()?.getItem(remembered.key) ?? undefined,
  write(session: string | undefined): void {
    if (session === undefined) memory()?.removeItem(remembered.key);
    else memory()?.setItem(remembered.key, session);
  },
};

/** A browser that is told to keep nothing has none, and throws when it is asked. */
function memory(): Storage | undefined {
  try {
    return window.sessionStorage;
  } catch {
    return undefined;
  }
}

/** Beside the page, whatever path a proxy has put before it. */
function socketAddress(): URL {
  const url = new URL(`${location.pathname.replace(/\/+$/, "")}/ws`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url;
}
