/** A fake engine whose steps wait while the gate is closed. */
import { abortable } from "../../src/async/deadline.ts";
import type { FakeEngineOptions } from "../../src/engine/fake/fake-engine.ts";

export class Gate {
  #closed: Promise<void> | undefined;

  /** No step of any kind ends. */
  readonly steps: FakeEngineOptions = { onStep: () => this.#closed };
  /** No machine is made, until the signal. */
  readonly creates: FakeEngineOptions = {
    onCreate: async (_, signal) => {
      if (this.#closed !== undefined) await abortable(this.#closed, signal);
    },
  };

  /** Returns a function that opens it. */
  close(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = promise;
    return () => {
      this.#closed = undefined;
      resolve();
    };
  }
}
