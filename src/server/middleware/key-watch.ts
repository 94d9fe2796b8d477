/** Aborts the requests of an API key once the key has been rotated or deleted, by this process or another one. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Users } from "../../services/users.ts";

export class KeyWatch {
  readonly #users: Pick<Users, "keysVersion" | "hasKey">;
  /** By the hash of the key. */
  readonly #keys = new Map<string, AbortController>();
  #version: string;

  constructor(users: Pick<Users, "keysVersion" | "hasKey">) {
    this.#users = users;
    this.#version = users.keysVersion();
  }

  /** Aborted, with unauthorized as its reason, when `check` finds that the key is not valid any more. */
  whileValid(keyHash: string): AbortSignal {
    const known = this.#keys.get(keyHash) ?? new AbortController();
    this.#keys.set(keyHash, known);
    return known.signal;
  }

  check(): void {
    const version = this.#users.keysVersion();
    if (version === this.#version) return;
    this.#version = version;
    for (const [keyHash, controller] of this.#keys) {
      if (this.#users.hasKey(keyHash)) continue;
      this.#keys.delete(keyHash);
      controller.abort(new BhattiError("unauthorized", "the API key was rotated or deleted"));
    }
  }
}
