/** What of the fake engine outlives its daemon, as processes and files outlive one. */
import { existsSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { extractAgent } from "../../agent/agent-binary.ts";
import { makeProcessFolder } from "../../host/process-folder.ts";
import type { Listed, SnapshotKind } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { FakeBody } from "./fake-body.ts";
import type { FakeGuest } from "./fake-guest.ts";
import type { FakeMachine } from "./fake-machine.ts";
import { LoharGuest } from "./lohar-guest.ts";

/** In memory a guest's files are made and removed three times as fast. */
export const fakeHostParent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
export const fakeHostPrefix = "bhatti-fake-";

export interface FakeSnapshot {
  kind: SnapshotKind;
  spec: MachineSpec;
  guest: FakeGuest;
  hasMemory: boolean;
}

export interface FakeHostOptions {
  /** Directory for the guests' files, emptied first; a temporary one by default. */
  folder?: string;
  /** Creates guests, by default with the real agent. */
  newGuest?(): FakeGuest;
}

export class FakeHost implements AsyncDisposable {
  /** All machines, also those of an earlier engine. */
  readonly machines = new Map<string, FakeMachine>();
  readonly kept = new Map<string, FakeSnapshot>();
  /** How many machines were made, brought back or taken over. */
  started = 0;
  /** Steps of operations, and calls of guests, that are under way. */
  busy = 0;
  readonly #options: FakeHostOptions;
  readonly #folder: string;
  #program: Promise<string> | undefined;
  #made = 0;

  constructor(options: FakeHostOptions = {}) {
    this.#options = options;
    this.#folder = options.folder ?? makeProcessFolder(fakeHostParent, fakeHostPrefix);
    if (options.folder !== undefined) rmSync(options.folder, { recursive: true, force: true });
  }

  newId(): string {
    this.#made += 1;
    return `fake-${this.#made}-${crypto.randomUUID().slice(0, 8)}`;
  }

  /** Machines and snapshots that another host owns. */
  readonly foreign = new Set<string>();

  listed(id: string): Listed {
    return { id, isOwn: !this.foreign.has(id) };
  }

  newGuest(name: string): FakeGuest {
    if (this.#options.newGuest) return this.#options.newGuest();
    const program = () => (this.#program ??= extractAgent(this.#folder));
    return new LoharGuest({ folder: join(this.#folder, name), program });
  }

  async keep(snapshot: string, kind: SnapshotKind, body: FakeBody): Promise<void> {
    const guest = this.newGuest(snapshot);
    const hasMemory = kind === "full" && body.hasMemory;
    await body.guest.copyTo(guest, hasMemory);
    this.kept.set(snapshot, { kind, spec: body.spec, guest, hasMemory });
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.busy += 1;
    try {
      return await work();
    } finally {
      this.busy -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const guests = [...this.machines.values()].map(({ body }) => body.guest);
    guests.push(...[...this.kept.values()].map(({ guest }) => guest));
    await Promise.all(guests.map((guest) => guest.remove()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
