/** The guest as lohar sees itself: connects to its line and turns calls into requests and streams. */
import { abortable, within } from "../async/deadline.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import { connectUnix } from "../host/socket.ts";
import { readLog, writeFile } from "./content.ts";
import { LoharFiles } from "./files.ts";
import type {
  ExecRequest,
  Guest,
  GuestActivity,
  GuestConfiguration,
  GuestFile,
  GuestHello,
  GuestProcess,
  GuestStats,
  SizedContent,
} from "./guest.ts";
import type { GuestFiles } from "./guest-files.ts";
import type {
  AttachedSession,
  AttachRequest,
  GuestProcessInfo,
  LogRequest,
  ReadLog,
} from "./guest-sessions.ts";
import { Line } from "./line.ts";
import {
  activityResult,
  emptyResult,
  processesResult,
  statsResult,
  timersResult,
} from "./messages.ts";
import { attachSession, signalName, startExec } from "./process.ts";

const greetEveryMs = 1000;
const entropyBytes = 64;

export interface ConnectOptions {
  signal: AbortSignal;
  timeoutMs: number;
  /** The guest surely stands between two frames, as after a restore: the first greeting can be short. */
  betweenFrames?: boolean;
}

/**
 * Connects to the agent behind a Unix socket, which need not exist yet, and waits for its hello. The signal ends only
 * the attempt. Throws guest_unresponsive after `timeoutMs`.
 */
export async function connectGuest(socketPath: string, options: ConnectOptions): Promise<Guest> {
  try {
    return await within(options.timeoutMs, "The guest's hello", options.signal, async (signal) => {
      const line = new Line(await connectUnix(socketPath, { signal, retry: true }));
      return new Lohar(line, await shakeHands(line, options.betweenFrames ?? false, signal));
    });
  } catch (error) {
    throw options.signal.aborted ? error : asUnresponsive(error, options.timeoutMs);
  }
}

async function shakeHands(
  line: Line,
  betweenFrames: boolean,
  signal: AbortSignal,
): Promise<GuestHello> {
  line.greet(betweenFrames);
  const again = setInterval(() => line.greet(), greetEveryMs);
  try {
    return await abortable(line.hello, signal);
  } catch (error) {
    line.close();
    throw error;
  } finally {
    clearInterval(again);
  }
}

function asUnresponsive(error: unknown, timeoutMs: number): unknown {
  if (!isBhattiError(error, "timeout")) return error;
  return new BhattiError("guest_unresponsive", `The guest did not respond within ${timeoutMs} ms`, {
    cause: error,
  });
}

class Lohar implements Guest {
  readonly hello: GuestHello;
  readonly closed: Promise<Error>;
  readonly files: GuestFiles;
  readonly #line: Line;

  constructor(line: Line, hello: GuestHello) {
    this.#line = line;
    this.hello = hello;
    this.closed = line.closed;
    this.files = new LoharFiles(line);
  }

  ping(signal: AbortSignal): Promise<void> {
    return this.#call("ping", {}, signal);
  }

  configure(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    const entropy = crypto.getRandomValues(Buffer.alloc(entropyBytes));
    const params = {
      time_unix_ns: unixNanoseconds().toString(),
      entropy: entropy.toString("base64"),
      hostname: configuration.hostname,
      env: configuration.env,
      init: configuration.init,
      machine_id: configuration.machineId,
      mac: configuration.mac,
      network: configuration.network,
    };
    return this.#call("configure", params, signal);
  }

  mountRoot(options: { device: string; grow: boolean }, signal: AbortSignal): Promise<void> {
    return this.#call("mount_root", options, signal);
  }

  freeze(signal: AbortSignal): Promise<void> {
    return this.#call("freeze", {}, signal);
  }

  thaw(signal: AbortSignal): Promise<void> {
    return this.#call("thaw", {}, signal);
  }

  sync(signal: AbortSignal): Promise<void> {
    return this.#call("sync", {}, signal);
  }

  shutdown(signal: AbortSignal): Promise<void> {
    return this.#call("shutdown", {}, signal);
  }

  stats(signal: AbortSignal): Promise<GuestStats> {
    return this.#line.request("stats", {}, statsResult, signal);
  }

  activity(signal: AbortSignal): Promise<GuestActivity> {
    return this.#line.request("activity", {}, activityResult, signal);
  }

  async timerLateness(signal: AbortSignal): Promise<number> {
    return (await this.#line.request("timers", {}, timersResult, signal)).lateness;
  }

  exec(request: ExecRequest, signal: AbortSignal): Promise<GuestProcess> {
    return startExec(this.#line, request, signal);
  }

  async processes(signal: AbortSignal): Promise<GuestProcessInfo[]> {
    return (await this.#line.request("processes", {}, processesResult, signal)).processes;
  }

  kill(session: string, name: string, signal: AbortSignal): Promise<void> {
    return this.#call("kill", { session, signal: signalName(name) }, signal);
  }

  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedSession> {
    return attachSession(this.#line, request, signal);
  }

  readLog(request: LogRequest, signal: AbortSignal): Promise<ReadLog> {
    return readLog(this.#line, request, signal);
  }

  writeFile(
    file: GuestFile,
    content: Uint8Array | SizedContent,
    signal: AbortSignal,
  ): Promise<void> {
    return writeFile(this.#line, file, content, signal);
  }

  close(): void {
    this.#line.close();
  }

  async #call(method: string, params: object, signal: AbortSignal): Promise<void> {
    await this.#line.request(method, params, emptyResult, signal);
  }
}

/** Date.now() is cut to milliseconds; the middle of the one that it means is 250 µs off on average. */
function unixNanoseconds(): bigint {
  return BigInt(Date.now()) * 1_000_000n + 500_000n;
}
