/**
 * A few machines that are restored, warmed up and paused, ready for a create of their shape: the one that was requested
 * last.
 */
import { pause, within } from "../../async/deadline.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { deadlineMs } from "./deadlines.ts";
import type { EngineLog } from "./log.ts";
import type { QemuMachine } from "./machine.ts";
import type { Quiet } from "./quiet.ts";

const retryAfterMs = 30_000;

export interface PoolOptions {
  size: number;
  /** Makes one, running and frozen, without an identity. */
  make(spec: MachineSpec, signal: AbortSignal): Promise<QemuMachine>;
  /** Destroys an unused machine. */
  drop(machine: QemuMachine): Promise<void>;
  quiet: Quiet;
  log: EngineLog;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #closing = new AbortController();
  #wanted: MachineSpec | undefined;
  #ready: { spec: MachineSpec; machine: QemuMachine }[] = [];
  #filling: Promise<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** From now on, keep machines like this one. */
  want(spec: MachineSpec): void {
    this.#wanted = spec;
    this.#fill();
  }

  /** A paused machine of that shape, if there is one. It is the caller's from here on. */
  take(spec: MachineSpec): QemuMachine | undefined {
    const index = this.#ready.findIndex((candidate) => isSameShape(candidate.spec, spec));
    return index < 0 ? undefined : this.#ready.splice(index, 1)[0]?.machine;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#filling;
    const ready = this.#ready;
    this.#ready = [];
    await Promise.all(ready.map(({ machine }) => this.#options.drop(machine)));
  }

  #fill(): void {
    if (this.#closing.signal.aborted || this.#options.size === 0) return;
    this.#filling ??= this.#fillUp().finally(() => {
      this.#filling = undefined;
    });
  }

  async #fillUp(): Promise<void> {
    const signal = this.#closing.signal;
    for (let spec = this.#missing(); spec; spec = this.#missing()) {
      try {
        // On few cores a refill in the foreground's way would cost more than it saves.
        await this.#options.quiet.wait(signal);
        await this.#dropOthers(spec);
        await this.#add(spec, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn("cannot fill the pool", { error: messageOf(error) });
        await pause(retryAfterMs, signal).catch(() => {});
      }
    }
  }

  #missing(): MachineSpec | undefined {
    const wanted = this.#wanted;
    if (!wanted || this.#closing.signal.aborted) return undefined;
    const there = this.#ready.filter(({ spec }) => isSameShape(spec, wanted)).length;
    return there < this.#options.size ? wanted : undefined;
  }

  async #dropOthers(wanted: MachineSpec): Promise<void> {
    const others = this.#ready.filter(({ spec }) => !isSameShape(spec, wanted));
    this.#ready = this.#ready.filter(({ spec }) => isSameShape(spec, wanted));
    await Promise.all(others.map(({ machine }) => this.#options.drop(machine)));
  }

  async #add(spec: MachineSpec, signal: AbortSignal): Promise<void> {
    const machine = await this.#options.make(spec, signal);
    try {
      await within(deadlineMs.warmUp, "Warming up a VM", signal, (until) => warmUp(machine, until));
    } catch (error) {
      await this.#options.drop(machine);
      throw error;
    }
    this.#ready.push({ spec, machine });
    // One that dies while it waits must not be handed out; another takes its place.
    void machine.ended.then(async () => {
      const index = this.#ready.findIndex((candidate) => candidate.machine === machine);
      if (index < 0) return;
      this.#ready.splice(index, 1);
      await this.#options.drop(machine);
      this.#fill();
    });
    this.#options.log.debug("pool VM ready", {
      machine: machine.id,
      steps: machine.origin.steps,
    });
  }
}

/**
 * Goes once through what its user will want first, an identity and a command: the pages are in memory and the code is
 * translated when the real ones come. Each part of an identity that is left out here costs 10 to 30 ms there.
 */
const anyNetwork = {
  address: "192.0.2.2",
  prefix: 24,
  gateway: "192.0.2.1",
  resolver: "192.0.2.1",
  mtu: 1500,
};

async function warmUp(machine: QemuMachine, signal: AbortSignal): Promise<void> {
  const guest = await machine.guest(signal);
  const identity = {
    hostname: "pool",
    machineId: "0".repeat(32),
    mac: "52:54:00:00:00:00",
    network: anyNetwork,
  };
  await guest.configure(identity, signal);
  await guest.thaw(signal);
  const request = { argv: ["true"], stdin: false, timeoutMs: deadlineMs.warmUp };
  const process = await guest.exec(request, signal);
  for await (const _ of process) {
    // It prints nothing; its end is what we wait for.
  }
  await process.result;
  await guest.freeze(signal);
  await machine.sleep.stopProcessors(signal);
}

function isSameShape(one: MachineSpec, other: MachineSpec): boolean {
  return (
    one.image.digest === other.image.digest &&
    one.cpus === other.cpus &&
    one.memoryMB === other.memoryMB &&
    one.diskSizeMB === other.diskSizeMB
  );
}
