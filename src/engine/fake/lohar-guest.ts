/**
 * A guest of the fake engine: the real agent in a container. Its root directory is its disk, and the files in its
 * `/dev/shm` are its memory. The agent starts on first use.
 */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import { run } from "../../host/process.ts";
import type { MachineEnd } from "../engine.ts";
import { Container } from "./container.ts";
import type { FakeGuest } from "./fake-guest.ts";

const beginMs = 30_000;

export interface LoharGuestOptions {
  /** Its own. */
  folder: string;
  /** Path of the agent. */
  program(): Promise<string>;
}

export class LoharGuest implements FakeGuest {
  onEnd: (end: MachineEnd) => void = () => {};
  readonly #options: LoharGuestOptions;
  #identity: GuestConfiguration = {};
  #container: Promise<Container> | undefined;
  /** Settles when no earlier container has processes. */
  #gone: Promise<unknown> = Promise.resolve();
  #hasMemory = true;

  constructor(options: LoharGuestOptions) {
    this.#options = options;
  }

  /** A directory of this host, which is there once the agent was started. */
  get root(): string {
    return join(this.#options.folder, "root");
  }

  async configure(identity: GuestConfiguration, signal: AbortSignal): Promise<void> {
    const hasContainer = this.#container !== undefined;
    this.#identity = { ...this.#identity, ...identity };
    if (hasContainer) await (await this.connect(signal)).configure(identity, signal);
    else if (identity.init !== undefined) await this.connect(signal);
  }

  async connect(signal: AbortSignal): Promise<Guest> {
    this.#container ??= this.#start();
    const container = await abortable(this.#container, signal);
    return await abortable(container.connect(), signal);
  }

  disconnect(): void {
    void this.#container?.then((container) => container.disconnect()).catch(() => {});
  }

  async shutdown(signal: AbortSignal): Promise<void> {
    const container = await this.#container;
    if (!container) return;
    await (await this.connect(signal)).shutdown(signal);
    await abortable(container.exited, signal);
  }

  kill(): void {
    const container = this.#container;
    this.#container = undefined;
    this.#hasMemory = false;
    const end = async () => {
      const started = await container;
      started?.kill();
      await started?.exited;
    };
    // It may have failed to start.
    if (container) this.#gone = end().catch(() => {});
  }

  async copyTo(other: FakeGuest, withMemory: boolean): Promise<void> {
    if (!(other instanceof LoharGuest)) throw new Error("the other one has no files");
    const { init: _, ...identity } = this.#identity;
    other.#hasMemory = withMemory && this.#hasMemory;
    if (other.#hasMemory) other.#identity = identity;
    if (!existsSync(this.root)) return;
    await mkdir(other.root, { recursive: true });
    await run(["cp", "-a", "--reflink=auto", `${this.root}/.`, other.root]);
  }

  async remove(): Promise<void> {
    this.kill();
    await this.#gone;
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  #start(): Promise<Container> {
    const starting = this.#makeContainer();
    const over = (end: MachineEnd) => {
      if (this.#container !== starting) return;
      this.#container = undefined;
      this.#hasMemory = false;
      this.onEnd(end);
    };
    void starting.then(
      async (container) => over(endAfter(await container.exited)),
      (error) => over({ reason: "crashed", detail: messageOf(error) }),
    );
    return starting;
  }

  async #makeContainer(): Promise<Container> {
    await this.#gone;
    const { folder, program } = this.#options;
    await mkdir(this.root, { recursive: true });
    if (!this.#hasMemory) await rm(join(this.root, "dev/shm"), { recursive: true, force: true });
    this.#hasMemory = true;
    const container = await Container.start(await program(), folder, this.root);
    try {
      const signal = AbortSignal.timeout(beginMs);
      const guest = await container.connect();
      await guest.mountRoot({ device: "vda", grow: false }, signal);
      await guest.configure(this.#identity, signal);
      return container;
    } catch (error) {
      container.kill();
      throw error;
    }
  }
}

function endAfter(how: number | string): MachineEnd {
  if (how === 0) return { reason: "powered_off", detail: "the guest shut down" };
  return { reason: "crashed", detail: `its agent ended (${how})` };
}
