/** One machine that has a process: its QEMU, its line to the agent, and how it ends. */
import type { Guest } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import { endProcess, type ProcessIdentity } from "../../host/process.ts";
import type { Machine, MachineEnd, MachineOrigin } from "../engine.ts";
import type { Hardware } from "../machine-spec.ts";
import { consoleTail, panicReason } from "./console.ts";
import { crashDetail } from "./crash-detail.ts";
import { deadlineMs } from "./deadlines.ts";
import { GuestLine } from "./guest-line.ts";
import type { EnginePaths, MachinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { Qmp, QmpEvent } from "./qmp/qmp.ts";
import { removeMachine } from "./remove.ts";
import { type Depth, Sleep } from "./sleep.ts";
import { Stall } from "./stall.ts";

export interface QemuMachineParts {
  id: string;
  paths: MachinePaths;
  engine: EnginePaths;
  hardware: Hardware;
  platform: PreparedPlatform;
  process: ProcessIdentity;
  qmp: Qmp;
  origin: MachineOrigin;
  depth: Depth;
  backends: AsyncDisposableStack;
  /** 0 as long as it belongs to no sandbox. */
  epoch?: number;
  /** Its processors stand still because the host's disk was full. */
  isStalled?: boolean;
  /** The line to its agent, when there is one already. */
  guest?: Guest;
}

export class QemuMachine implements Machine {
  readonly id: string;
  readonly origin: MachineOrigin;
  readonly ended: Promise<MachineEnd>;
  readonly process: ProcessIdentity;
  readonly qmp: Qmp;
  readonly paths: MachinePaths;
  readonly hardware: Hardware;
  readonly platform: PreparedPlatform;
  readonly sleep: Sleep;
  epoch: number;
  /** Called for each request for a connection to the guest. */
  onUse: () => void = () => {};
  onStall: (isStalled: boolean) => void = () => {};
  /** Throws disk_full unless there is disk space for the memory that it may touch. */
  requireSpace: () => Promise<void> = async () => {};
  /** What is done with its files when it is suspended, before anything else is. It does not fail. */
  tidyUp: (signal: AbortSignal) => Promise<void> = async () => {};
  readonly #engine: EnginePaths;
  readonly #backends: AsyncDisposableStack;
  readonly #line: GuestLine;
  readonly #end = Promise.withResolvers<MachineEnd>();
  #over: MachineEnd | undefined;
  #isLetGo = false;
  readonly #stall = new Stall({
    resume: (signal) => this.#goOn(signal),
    report: (isStalled) => this.onStall(isStalled),
  });

  constructor(parts: QemuMachineParts) {
    this.id = parts.id;
    this.origin = parts.origin;
    this.qmp = parts.qmp;
    this.paths = parts.paths;
    this.hardware = parts.hardware;
    this.platform = parts.platform;
    this.sleep = new Sleep(this, this.#stall, parts.depth);
    this.epoch = parts.epoch ?? 0;
    this.#engine = parts.engine;
    this.#backends = parts.backends;
    this.process = parts.process;
    this.ended = this.#end.promise;
    this.#line = new GuestLine({
      socket: parts.paths.agent,
      qmp: parts.qmp,
      ended: this.ended,
      isFresh: parts.origin.kind === "restored" || parts.origin.kind === "pool",
      guest: parts.guest,
    });
    if (parts.isStalled) this.#stall.begin();
    this.qmp.onEvent((event) => this.#onEvent(event));
    void this.qmp.ended.then(() => this.#onProcessGone());
  }

  async guest(signal: AbortSignal): Promise<Guest> {
    this.onUse();
    return await this.#stall.during(signal, (both) => this.#line.get(both));
  }

  #onEvent({ event, data }: QmpEvent): void {
    if (event === "SHUTDOWN" && data["guest"] === true) {
      void this.#onGuestShutdown(String(data["reason"]));
    } else if (event === "BLOCK_IO_ERROR" && data["action"] === "stop") {
      this.#stall.begin();
    }
  }

  async #goOn(signal: AbortSignal): Promise<void> {
    // One that was stopped meanwhile goes on when it is woken.
    if (this.#over || this.#isLetGo || this.isPaused) return;
    await this.requireSpace();
    await this.qmp.execute("cont", {}, signal);
  }

  /** QEMU has paused instead of ending, so that the console can still be read. */
  async #onGuestShutdown(reason: string): Promise<void> {
    const tail = await consoleTail(this.qmp);
    // A guest resets only on a kernel panic or a reboot from inside.
    const panic = reason === "guest-shutdown" ? undefined : panicReason(tail);
    if (panic === undefined) {
      await this.#finish({ reason: "powered_off", detail: `guest shutdown (${reason})` });
      return;
    }
    const detail = `kernel panic: ${panic} (see the console in the daemon log)`;
    await this.#finish({ reason: "crashed", detail, console: tail });
  }

  async #onProcessGone(): Promise<void> {
    if (this.#isLetGo) return;
    await this.#finish(
      this.sleep.isSaved
        ? { reason: "suspended", detail: "the process exited, saved state kept" }
        : { reason: "crashed", detail: await crashDetail(this.paths) },
    );
  }

  /** The first reason counts; whatever comes later is its consequence. */
  async #finish(end: MachineEnd): Promise<void> {
    if (this.#over) return;
    this.#over = end;
    this.#stall.end();
    this.#line.close(end);
    this.qmp.close();
    try {
      await endProcess(this.process);
      faultPoint("end.process-gone");
      await this.#backends.disposeAsync();
      this.#end.resolve(end);
    } catch (error) {
      // Reported with the end; a destroy tries again and fails for the same reason.
      const detail = `${end.detail}. Cannot kill the process: ${messageOf(error)}`;
      this.#end.resolve({ ...end, detail });
    }
  }

  get isStalled(): boolean {
    return this.#stall.isStalled;
  }

  async holdForSpace(): Promise<void> {
    if (this.#over || this.#isLetGo || !this.isAwake) return;
    const stop = (signal: AbortSignal) => this.qmp.execute("stop", {}, signal);
    await this.#stall.hold(stop, AbortSignal.timeout(deadlineMs.hold));
  }

  /** Ends the process without asking the guest; the disk stays. */
  async halt(): Promise<void> {
    await this.#finish({ reason: "powered_off", detail: "the process was killed" });
  }

  /** Leaves it to a later daemon: it runs on, and nothing here waits for it. */
  letGo(): void {
    this.#isLetGo = true;
    this.#line.close();
    this.qmp.close();
  }

  get isAwake(): boolean {
    return this.sleep.isAwake;
  }

  get isPaused(): boolean {
    return this.sleep.isPaused;
  }

  pause(signal: AbortSignal): Promise<void> {
    return this.sleep.pause(signal);
  }

  unpause(signal: AbortSignal): Promise<void> {
    return this.sleep.unpause(signal);
  }

  async suspend(signal: AbortSignal): Promise<void> {
    await this.sleep.save(signal);
    await this.#finish({ reason: "suspended", detail: "the VM was suspended" });
    await this.tidyUp(signal);
  }

  async powerOff(signal: AbortSignal): Promise<void> {
    const guest = await this.guest(signal);
    await guest.shutdown(signal);
    await abortable(this.ended, signal);
  }

  async destroy(): Promise<void> {
    await this.#finish({ reason: "destroyed", detail: "the VM was destroyed" });
    await removeMachine(this.#engine, this.id);
  }
}
