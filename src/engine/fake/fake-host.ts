/** What of the fake engine outlives its daemon, as processes and files outlive one. */
import type { Listed, SnapshotKind } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { FakeBody, FakeContent } from "./fake-body.ts";
import type { FakeMachine } from "./fake-machine.ts";

export interface FakeSnapshot {
  kind: SnapshotKind;
  spec: MachineSpec;
  content: FakeContent;
}

export class FakeHost {
  /** As whoever holds them, or held them last, has them. */
  readonly machines = new Map<string, FakeMachine>();
  readonly kept = new Map<string, FakeSnapshot>();
  /** How many machines were made, brought back or taken over. */
  started = 0;
  /** Steps of operations that are under way. */
  busy = 0;
  #made = 0;

  newId(): string {
    this.#made += 1;
    return `fake-${this.#made}-${crypto.randomUUID().slice(0, 8)}`;
  }

  /** Machines and snapshots that another host owns. */
  readonly foreign = new Set<string>();

  listed(id: string): Listed {
    return { id, isOwn: !this.foreign.has(id) };
  }

  keep(snapshot: string, kind: SnapshotKind, { spec, content }: FakeBody): void {
    const { files } = content;
    this.kept.set(snapshot, { kind, spec, content: kind === "full" ? content : { files } });
  }

  async during(work: () => Promise<void>): Promise<void> {
    this.busy += 1;
    try {
      await work();
    } finally {
      this.busy -= 1;
    }
  }
}
