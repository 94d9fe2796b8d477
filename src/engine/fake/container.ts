/** One run of the agent in a container, which needs root, and the connection to it. */
import { closeSync, openSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Guest } from "../../agent/guest.ts";
import { connectGuest } from "../../agent/lohar.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { type Detached, launch } from "../../host/process.ts";

const connectMs = 30_000;

export class Container {
  /** Its exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>;
  readonly #process: Detached;
  readonly #socket: string;
  readonly #over = new AbortController();
  #guest: Promise<Guest> | undefined;

  private constructor(agent: Detached, folder: string) {
    this.#process = agent;
    this.#socket = join(folder, "agent");
    this.exited = agent.exited.then(async (how) => {
      const log = await readFile(join(folder, "log"), "utf8").catch(() => "");
      const detail = `The agent has ended (${how}): ${log.trim().split("\n").at(-1)}`;
      this.#over.abort(new BhattiError("machine_lost", detail));
      return how;
    });
  }

  /** The folder gets a socket and a log. */
  static async start(program: string, folder: string, root: string): Promise<Container> {
    // A stale socket must not answer.
    rmSync(join(folder, "agent"), { force: true });
    const log = openSync(join(folder, "log"), "w");
    try {
      const command = [program, "--socket", join(folder, "agent"), "--root", root];
      return new Container(await launch(command, [log, log]), folder);
    } finally {
      closeSync(log);
    }
  }

  connect(): Promise<Guest> {
    this.#guest ??= this.#connect();
    return this.#guest;
  }

  disconnect(): void {
    void this.#guest?.then((guest) => guest.close()).catch(() => {});
    this.#guest = undefined;
  }

  /** `exited` settles when all of its processes are gone. */
  kill(): void {
    if (this.#over.signal.aborted) return;
    this.disconnect();
    try {
      process.kill(this.#process.pid, "SIGINT");
    } catch {
      // It has just ended by itself.
    }
  }

  #connect(): Promise<Guest> {
    const connecting = connectGuest(this.#socket, {
      signal: this.#over.signal,
      timeoutMs: connectMs,
      betweenFrames: true,
    });
    const forget = () => {
      if (this.#guest === connecting) this.#guest = undefined;
    };
    void connecting.then((guest) => guest.closed.then(forget), forget);
    return connecting;
  }
}
