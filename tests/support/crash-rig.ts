/** A daemon that ends where it is told to, and a sandbox in it that remembers what it was promised to keep. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { socketFolder } from "../../scripts/testing/leftovers.ts";
import type { Operation } from "../../src/contract/operations.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { startTimeOf } from "../../src/host/process.ts";
import { ensureFaultBinary, faultBinary } from "./binary.ts";
import { contradictions, machineProcesses } from "./host-state.ts";
import { type MachineDaemon, startMachineDaemon } from "./machine-daemon.ts";
import { until } from "./until.ts";

/** Told by a shell in the guest: what was written, and whether the process that was started is still there. */
const tell =
  "cat /workspace/kept; grep -q 123456 /proc/$(cat /workspace/pid)/cmdline 2>/dev/null && echo alive || echo gone";
const begin = "sleep 123456 > /dev/null 2>&1 & echo $! > /workspace/pid";

export class CrashRig implements AsyncDisposable {
  readonly daemon: MachineDaemon;
  readonly #faults: string;
  /** The sandbox that all is about, by its id. */
  id = "";
  /** Its machine when the operation begins. */
  engineId = "";
  /** What was written to its disk and acknowledged. */
  lines: string[] = [];
  #count = 0;

  static async start(): Promise<CrashRig> {
    await ensureFaultBinary();
    const faults = join(faultBinary, `../faults-${process.pid}`);
    mkdirSync(faults, { recursive: true });
    const daemon = await startMachineDaemon({
      binary: faultBinary,
      env: { BHATTI_FAULT_DIR: faults },
      config: ["thermal:", "  warm_after: 1h", "  cold_after: 2h"],
    });
    return new CrashRig(daemon, faults);
  }

  constructor(daemon: MachineDaemon, faults: string) {
    this.daemon = daemon;
    this.#faults = faults;
  }

  /** The sandbox, hot, with one more line on its disk and a process in its memory. */
  async ready(...flags: string[]): Promise<void> {
    if (!(await this.isThere())) {
      const made = await this.daemon.json<Sandbox>("create", "--name", "dev", ...flags);
      this.id = made.id;
      this.lines = [];
      await this.guest(begin);
    }
    this.#count += 1;
    const line = `line ${this.#count}`;
    await this.guest(
      `echo ${line} >> /workspace/kept; sync; ${tell} | grep -q gone && { ${begin}; sync; }; true`,
    );
    this.lines.push(line);
    this.engineId = (await this.shown()).engine_id;
  }

  /** The daemon ends when it passes that point for the n-th time from now on. */
  arm(point: string, times = 1): void {
    this.watch();
    writeFileSync(join(this.#faults, "fatal"), `${point} ${times}`);
  }

  /** Forgets which points were passed. */
  watch(): void {
    this.disarm();
    writeFileSync(join(this.#faults, "passed"), "");
  }

  disarm(): void {
    rmSync(join(this.#faults, "fatal"), { force: true });
  }

  passed(): string[] {
    return readFileSync(join(this.#faults, "passed"), "utf8").trim().split("\n").filter(Boolean);
  }

  get isDaemonGone(): boolean {
    return startTimeOf(this.daemon.pid) === undefined;
  }

  async untilDaemonIsGone(): Promise<void> {
    await until("the daemon passes the point", () => this.isDaemonGone);
    await this.daemon.kill("SIGKILL");
  }

  async sandboxes(): Promise<Sandbox[]> {
    return await this.daemon.get<Sandbox[]>("/sandboxes");
  }

  async isThere(): Promise<boolean> {
    return (await this.sandboxes()).some(({ id }) => id === this.id);
  }

  async snapshots(): Promise<Snapshot[]> {
    return await this.daemon.get<Snapshot[]>("/snapshots");
  }

  async guest(script: string, sandbox = this.id): Promise<string> {
    return await this.daemon.ok("exec", sandbox, "--", "sh", "-c", script);
  }

  async shown(sandbox = this.id): Promise<Sandbox> {
    return await this.daemon.get<Sandbox>(`/sandboxes/${sandbox}`);
  }

  async becomes(thermal: "warm" | "cold"): Promise<void> {
    // A list asks the guest nothing.
    const isSo = async () => {
      const found = (await this.sandboxes()).find(({ id }) => id === this.id);
      return (found?.thermal ?? "cold") === thermal;
    };
    await until(`the sandbox is ${thermal}`, isSo);
  }

  /** To warm, by itself. */
  async cool(): Promise<void> {
    await this.daemon.ok("edit", this.id, "--idle-warm", "1s");
    await this.becomes("warm");
    await this.daemon.ok("edit", this.id, "--idle-warm", "default");
  }

  /** The newest one; that of the case when it is one that the API lists. */
  async lastOperation(): Promise<Operation | undefined> {
    return (await this.daemon.json<Operation[]>("operation", "list"))[0];
  }

  /** What is on its disk, and whether its process is there. It wakes for that. */
  async memories(sandbox = this.id): Promise<{ lines: string[]; isAlive: boolean }> {
    const lines = (await this.guest(tell, sandbox)).trim().split("\n");
    const last = lines.pop();
    return { lines, isAlive: last === "alive" };
  }

  killMachines(): void {
    for (const { pid } of machineProcesses(this.daemon)) process.kill(pid, "SIGKILL");
  }

  /** As a power cut does it, but for what the disk's cache loses. */
  async reboot(): Promise<void> {
    if (!this.isDaemonGone) await this.daemon.kill("SIGKILL");
    this.killMachines();
    const running = () => machineProcesses(this.daemon).length > 0;
    await until("QEMU is gone", () => !running());
    const folder = socketFolder(this.daemon.dataDir);
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  }

  /** Whatever was wrong before, the next case starts with nothing. */
  async clear(): Promise<void> {
    this.disarm();
    if (this.isDaemonGone) await this.daemon.restart();
    for (const { id } of await this.sandboxes()) await this.daemon.ok("destroy", id, "-y");
    for (const { id } of await this.snapshots())
      await this.daemon.ok("snapshot", "delete", id, "-y");
    this.id = "";
  }

  /** Those that stay: the daemon may be at work, such as cooling what is idle for long. */
  async contradictions(): Promise<string[]> {
    const isTrue = () => contradictions(this.daemon).length === 0;
    await until("rows, processes and files agree", isTrue).catch(() => {});
    return contradictions(this.daemon);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disarm();
    await this.daemon[Symbol.asyncDispose]();
    rmSync(this.#faults, { recursive: true, force: true });
  }
}
