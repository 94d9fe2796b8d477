/** What a fake machine is, whoever holds it: a disk, a guest that runs or is paused, and what was saved of it. */
import type { GuestConfiguration } from "../../agent/guest.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineEnd } from "../engine.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { FakeGuest } from "./fake-guest.ts";
import type { FakeFile } from "./fake-programs.ts";

/** What of a machine can be copied to another one; without memory it has its disk alone. */
export interface FakeContent {
  files: ReadonlyMap<string, FakeFile>;
  memory?: { values: ReadonlyMap<string, string>; identity: GuestConfiguration };
}

export class FakeBody {
  readonly id: string;
  readonly spec: MachineSpec;
  /** Of its last start. */
  config: MachineConfig;
  guest: FakeGuest;
  /** Its processors stand still. */
  isPaused = false;
  /** Its user processes are frozen, or may be. */
  isFrozen = false;
  /** Its own files hold the very state that it is in, and how good they are. */
  saved: "whole" | "damaged" | "incompatible" | undefined;
  over: MachineEnd | undefined;
  /** Told once, when it ends. */
  onEnd: (end: MachineEnd) => void = () => {};

  constructor(id: string, spec: MachineSpec, content?: FakeContent) {
    this.id = id;
    this.spec = spec;
    this.config = { epoch: 0, hardware: spec, identity: {}, nics: [], volumes: [] };
    this.guest = this.#makeGuest(content);
  }

  /** Its disk, and its memory if that can be used. */
  get content(): FakeContent {
    const files = new Map(this.guest.tree);
    const isLost = this.over && (this.over.reason !== "suspended" || this.saved !== "whole");
    if (isLost) return { files };
    const { identity } = this.guest;
    return { files, memory: { values: new Map(this.guest.memory), identity } };
  }

  /** From its disk alone. */
  boot(): void {
    this.guest.lose(new BhattiError("machine_lost", "The machine was started anew"));
    this.guest = this.#makeGuest({ files: this.guest.tree });
    this.over = undefined;
    this.saved = undefined;
    this.isPaused = false;
    this.isFrozen = false;
  }

  /** As it was saved, and paused. */
  resume(): void {
    this.over = undefined;
  }

  pause(): void {
    this.isFrozen = true;
    this.isPaused = true;
    this.guest.pause();
  }

  /** Its state changes from here on: what was saved of it is void. */
  run(): void {
    this.saved = undefined;
    this.isPaused = false;
    this.guest.run();
  }

  /** The first end counts; of one whose saved state is good nothing is lost. */
  finish(end: MachineEnd): void {
    if (this.over) return;
    const isKept = this.saved !== undefined && end.reason === "crashed";
    this.over = isKept ? { ...end, reason: "suspended" } : end;
    const lost = new BhattiError("machine_lost", `The machine has ended: ${end.detail}`);
    if (this.over.reason === "suspended") this.guest.detach(lost);
    else this.guest.lose(lost);
    this.onEnd(this.over);
  }

  #makeGuest(content?: FakeContent): FakeGuest {
    const guest = new FakeGuest((end) => this.finish(end));
    for (const [path, file] of content?.files ?? []) guest.tree.set(path, file);
    for (const [key, value] of content?.memory?.values ?? []) guest.memory.set(key, value);
    guest.identity = { ...content?.memory?.identity };
    return guest;
  }
}
