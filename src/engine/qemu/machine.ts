/** One running machine: its QEMU, its line to the agent, and how it ends. */
import { mkdir, rename, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Guest } from "../../agent/guest.ts";
import { connectGuest } from "../../agent/lohar.ts";
import { abortable, within } from "../../async/deadline.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import { endProcess, type ProcessIdentity } from "../../host/process.ts";
import type { Machine, MachineEnd, MachineOrigin } from "../engine.ts";
import { consoleTail } from "./console.ts";
import { lastWords } from "./launcher.ts";
import type { EnginePaths, MachinePaths } from "./paths.ts";
import { machinePaths } from "./paths.ts";
import type { Qmp, QmpEvent } from "./qmp/qmp.ts";
import { endRunningProcess } from "./record.ts";

/** A guest that runs answers within milliseconds; one that just came back from a restore within tens of them. */
const guestDeadlineMs = 30_000;

const stalledRetryMs = 2_000;
const hostDiskFull =
  "The machine stands still because the host's disk is full; it goes on by itself when there is space";

type Timer = ReturnType<typeof setTimeout>;

export interface QemuMachineParts {
  id: string;
  paths: MachinePaths;
  engine: EnginePaths;
  process: ProcessIdentity;
  qmp: Qmp;
  origin: MachineOrigin;
  /** The line to its agent, when there is one already. */
  guest?: Guest;
}

export class QemuMachine implements Machine {
  readonly id: string;
  readonly origin: MachineOrigin;
  readonly ended: Promise<MachineEnd>;
  readonly qmp: Qmp;
  readonly paths: MachinePaths;
  /** Told each time that somebody wants to talk to the guest. */
  onUse: () => void = () => {};
  readonly #engine: EnginePaths;
  readonly #process: ProcessIdentity;
  readonly #end = Promise.withResolvers<MachineEnd>();
  #over: MachineEnd | undefined;
  #isLetGo = false;
  /** Runs while the guest stands still because the host's disk is full. */
  #stalled: Timer | undefined;
  #guest: Guest | undefined;
  #connecting: Promise<Guest> | undefined;
  /** Nobody has talked to it since it was restored. */
  #isFresh: boolean;

  constructor(parts: QemuMachineParts) {
    this.id = parts.id;
    this.origin = parts.origin;
    this.qmp = parts.qmp;
    this.paths = parts.paths;
    this.#engine = parts.engine;
    this.#process = parts.process;
    this.ended = this.#end.promise;
    this.#isFresh = parts.origin.kind === "restored" || parts.origin.kind === "pool";
    if (parts.guest) this.#use(parts.guest);
    this.qmp.onEvent((event) => this.#onEvent(event));
    void this.qmp.ended.then(() => this.#onProcessGone());
  }

  async guest(signal: AbortSignal): Promise<Guest> {
    this.onUse();
    if (this.#stalled) throw new BhattiError("disk_full", hostDiskFull);
    if (this.#guest) return this.#guest;
    if (this.#over) throw this.#lost(this.#over);
    // Several may ask at once; the line has one end, so they share one attempt, which none of them may cancel.
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return await abortable(this.#connecting, signal);
  }

  async #connect(): Promise<Guest> {
    try {
      return this.#use(await this.#firstAnswer());
    } catch (cause) {
      if (this.#over) throw this.#lost(this.#over);
      throw new BhattiError(
        "guest_unresponsive",
        `The guest did not answer: ${messageOf(cause)}. ${await consoleTail(this.qmp)}`,
        { cause },
      );
    }
  }

  #use(guest: Guest): Guest {
    this.#guest = guest;
    this.#isFresh = false;
    void guest.closed.then(() => {
      if (this.#guest === guest) this.#guest = undefined;
    });
    return guest;
  }

  #firstAnswer(): Promise<Guest> {
    const over = this.ended.then((end) => Promise.reject(this.#lost(end)));
    over.catch(() => {});
    return within(guestDeadlineMs, "The guest's first answer", undefined, (signal) =>
      Promise.race([
        connectGuest(this.paths.agent, {
          signal,
          timeoutMs: guestDeadlineMs,
          betweenFrames: this.#isFresh,
        }),
        over,
      ]),
    );
  }

  #lost(end: MachineEnd): BhattiError {
    return new BhattiError("machine_lost", `The machine has ended (${end.reason}): ${end.detail}`);
  }

  #onEvent({ event, data }: QmpEvent): void {
    if (event === "SHUTDOWN" && data["guest"] === true) {
      void this.#onGuestShutdown(String(data["reason"]));
    } else if (event === "BLOCK_IO_ERROR" && data["action"] === "stop") {
      this.#stalled ??= setTimeout(() => void this.#goOn(), stalledRetryMs);
    }
  }

  /** A guest that writes while the host's disk is full stands still until there is space, and then loses nothing. */
  async #goOn(): Promise<void> {
    this.#stalled = undefined;
    if (this.#over || this.#isLetGo) return;
    // Should the disk still be full, QEMU pauses the guest again and says so.
    await this.qmp.execute("cont", {}, AbortSignal.timeout(stalledRetryMs)).catch(() => {});
  }

  /** QEMU has paused instead of ending, so that the console can still be read. */
  async #onGuestShutdown(reason: string): Promise<void> {
    const tail = await consoleTail(this.qmp);
    // A guest resets itself only when its kernel panics or somebody in it asked for a reboot.
    const panicked = reason !== "guest-shutdown" && /Kernel panic/.test(tail);
    await this.#finish({
      reason: panicked ? "crashed" : "powered_off",
      detail: panicked ? `its kernel panicked. ${tail}` : `shut down from inside (${reason})`,
    });
  }

  async #onProcessGone(): Promise<void> {
    if (this.#isLetGo) return;
    await this.#finish({
      reason: "crashed",
      detail: `QEMU ended unexpectedly: ${await lastWords(this.paths.log)}${await this.#spaceNote()}`,
    });
  }

  /** A memory file that cannot grow ends QEMU by a signal, without a word. */
  async #spaceNote(): Promise<string> {
    const { bavail, bsize } = await statfs(dirname(this.paths.ram)).catch(() => ({
      bavail: 1,
      bsize: Infinity,
    }));
    return bavail * bsize < 16 * 1024 * 1024 ? ". The host's disk is full" : "";
  }

  /** The first reason counts; whatever comes later is its consequence. */
  async #finish(end: MachineEnd): Promise<void> {
    if (this.#over) return;
    this.#over = end;
    clearTimeout(this.#stalled);
    this.#guest?.close();
    this.#guest = undefined;
    this.qmp.close();
    try {
      await endProcess(this.#process);
      await rm(this.paths.sockets, { recursive: true, force: true });
      this.#end.resolve(end);
    } catch (error) {
      // Whoever waits for the end hears of it; whoever destroys the machine tries again and fails for this reason.
      const detail = `${end.detail}. Its process could not be ended: ${messageOf(error)}`;
      this.#end.resolve({ ...end, detail });
    }
  }

  /** Ends the process without asking the guest; the disk stays. */
  async halt(): Promise<void> {
    await this.#finish({ reason: "powered_off", detail: "its process was ended" });
  }

  /** Leaves it to a later daemon: it runs on, and nothing here waits for it. */
  letGo(): void {
    this.#isLetGo = true;
    this.#guest?.close();
    this.qmp.close();
  }

  /** Lets the guest's processors run. The line is greeted while they still stand: the greeting waits for them. */
  async resume(signal: AbortSignal): Promise<Guest> {
    const guest = this.guest(signal);
    guest.catch(() => {}); // awaited below, unless resuming fails first
    await this.qmp.execute("cont", {}, signal);
    return await guest;
  }

  async pause(signal: AbortSignal): Promise<void> {
    await this.qmp.execute("stop", {}, signal);
  }

  async powerOff(signal: AbortSignal): Promise<void> {
    const guest = await this.guest(signal);
    await guest.shutdown(signal);
    await abortable(this.ended, signal);
  }

  async destroy(): Promise<void> {
    await this.#finish({ reason: "destroyed", detail: "it was destroyed" });
    await removeMachine(this.#engine, this.id);
  }
}

/** Ends whatever runs of a machine and removes its files. Idempotent, also after a crash in the middle. */
export async function removeMachine(engine: EnginePaths, id: string): Promise<void> {
  const paths = machinePaths(engine, id);
  await endRunningProcess(paths);
  await rm(paths.sockets, { recursive: true, force: true });
  await discard(engine, paths.directory, id);
  if (dirname(paths.ram) !== paths.directory) {
    await rm(dirname(paths.ram), { recursive: true, force: true });
  }
}

export function trashDirectory(engine: EnginePaths): string {
  return join(engine.machines, ".trash");
}

/** One rename takes it away whole; deleting what is in the trash may be interrupted and is done again at a start. */
async function discard(engine: EnginePaths, directory: string, id: string): Promise<void> {
  const trash = trashDirectory(engine);
  await mkdir(trash, { recursive: true, mode: 0o700 });
  const target = join(trash, `${id}-${Bun.nanoseconds()}`);
  try {
    await rename(directory, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  await rm(target, { recursive: true, force: true });
}
