/** Users and their keys: who there is, and who a key belongs to. */
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { newApiKey, newKeyId, newUserId, sha256Hex } from "./identifiers.ts";

export type { User };

const defaultUserLimits = { maxSandboxes: 5, maxCpus: 4, maxMemoryMB: 4096, maxSnapshots: 5 };

const userNamePattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;

export interface NewUser {
  name: string;
  role?: User["role"];
  maxSandboxes?: number;
  maxCpus?: number;
  maxMemoryMB?: number;
  maxSnapshots?: number;
}

export interface Authenticated {
  user: User;
  /** Identifies the key of the request. */
  keyHash: string;
}

export interface UserWithUsage extends User {
  sandboxes: number;
}

export class Users {
  readonly #store: Store;
  readonly #events: EventSink;
  /** Number of keys that this process has revoked. */
  #withdrawals = 0;

  constructor(store: Store, events: EventSink) {
    this.#store = store;
    this.#events = events;
  }

  /** Returns the key, of which only the hash is stored. */
  create(request: NewUser): { user: User; key: string } {
    const user: User = {
      id: newUserId(),
      name: request.name,
      role: request.role ?? "user",
      maxSandboxes: request.maxSandboxes ?? defaultUserLimits.maxSandboxes,
      maxCpus: request.maxCpus ?? defaultUserLimits.maxCpus,
      maxMemoryMB: request.maxMemoryMB ?? defaultUserLimits.maxMemoryMB,
      maxSnapshots: request.maxSnapshots ?? defaultUserLimits.maxSnapshots,
      createdAt: new Date().toISOString(),
    };
    validate(user);
    const key = this.#store.transaction(() => {
      this.#insert(user);
      return this.#issueKey(user.id);
    });
    this.#events.record({ type: "user.created", userId: user.id, meta: { name: user.name } });
    return { user, key };
  }

  list(): UserWithUsage[] {
    return this.#store.users
      .all()
      .map((user) => ({ ...user, sandboxes: this.#store.sandboxes.countOf(user.id) }));
  }

  /** Every key the user had is refused from now on. */
  rotateKey(name: string): { user: User; key: string } {
    const rotated = this.#store.transaction(() => {
      const user = this.#named(name);
      this.#store.keys.deleteOf(user.id);
      return { user, key: this.#issueKey(user.id) };
    });
    this.#withdrawals += 1;
    this.#events.record({ type: "user.key_rotated", userId: rotated.user.id, meta: { name } });
    return rotated;
  }

  delete(name: string): User {
    const user = this.#store.transaction(() => {
      const found = this.#named(name);
      const count = this.#store.sandboxes.countOf(found.id);
      if (count > 0) {
        throw new BhattiError(
          "user_in_use",
          `User "${name}" still has ${count} ${count === 1 ? "sandbox" : "sandboxes"}`,
        );
      }
      const snapshots = this.#store.snapshots.countOf(found.id);
      if (snapshots > 0) {
        throw new BhattiError(
          "user_in_use",
          `User "${name}" still has ${snapshots} ${snapshots === 1 ? "snapshot" : "snapshots"}`,
        );
      }
      this.#store.users.delete(found.id);
      return found;
    });
    this.#withdrawals += 1;
    this.#events.record({ type: "user.deleted", userId: user.id, meta: { name } });
    return user;
  }

  /** Asks the database each time: another process may have rotated or deleted the key a moment ago. */
  authenticate(key: string): Authenticated | undefined {
    const keyHash = sha256Hex(key);
    const user = this.#store.users.byKey(keyHash);
    return user && { user, keyHash };
  }

  hasKey(keyHash: string): boolean {
    return this.#store.keys.has(keyHash);
  }

  /** Changes whenever a key may have been revoked. Cheaper than reading keys. */
  keysVersion(): string {
    return `${this.#store.version()}.${this.#withdrawals}`;
  }

  #named(name: string): User {
    const user = this.#store.users.byName(name);
    if (!user) throw new BhattiError("user_not_found", `User "${name}" not found`);
    return user;
  }

  #insert(user: User): void {
    try {
      this.#store.users.insert(user);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new BhattiError("user_exists", `User "${user.name}" already exists`, { cause: error });
    }
  }

  #issueKey(userId: string): string {
    const key = newApiKey();
    const createdAt = new Date().toISOString();
    this.#store.keys.insert({ id: newKeyId(), userId, sha256: sha256Hex(key), createdAt });
    return key;
  }
}

function validate(user: User): void {
  if (!userNamePattern.test(user.name)) {
    throw new BhattiError(
      "bad_request",
      `name: must start with a letter or digit, followed by up to 62 letters, digits, dots, underscores or hyphens (got "${user.name}")`,
    );
  }
  const limits = { "max-sandboxes": user.maxSandboxes, "max-cpus": user.maxCpus };
  for (const [field, value] of Object.entries({ ...limits, "max-memory": user.maxMemoryMB })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new BhattiError(
        "bad_request",
        `${field}: must be a whole number of at least 1 (got ${value})`,
      );
    }
  }
}
