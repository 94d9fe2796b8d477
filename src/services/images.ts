/** Images by name: a user's own first, then the operator's. */
import { existsSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import type { MachineImage } from "../engine/machine-spec.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { ImageRecord } from "../store/images.ts";
import type { Store } from "../store/store.ts";
import { newImageId } from "./identifiers.ts";

export type { ImageRecord };

export interface NewImage {
  name: string;
  digest: string;
  /** Complete and durable, below the data directory. */
  path: string;
  sizeMB: number;
  /** Where it came from, such as `recipe:minimal`. */
  source: string;
}

export interface FoundImage {
  machine: MachineImage;
  sizeMB: number;
}

const imageNamePattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/;

export class Images {
  readonly #store: Store;
  readonly #events: EventSink;
  readonly #dataDir: string;

  constructor(store: Store, events: EventSink, dataDir: string) {
    this.#store = store;
    this.#events = events;
    this.#dataDir = dataDir;
  }

  /**
   * Registers the file as the operator's image of that name, replacing an earlier one. Keeps the earlier file, as
   * machines may still use it; image management will remove unused ones.
   */
  register(image: NewImage): ImageRecord {
    const record: ImageRecord = {
      id: newImageId(),
      userId: null,
      name: image.name,
      digest: image.digest,
      source: image.source,
      path: this.#relativePath(image.path),
      sizeMB: image.sizeMB,
      createdAt: new Date().toISOString(),
    };
    checkName(image.name);
    const registered = this.#store.transaction(() => {
      this.#store.images.put(record);
      return this.#store.images.get(null, image.name) ?? record;
    });
    this.#events.record({
      type: "image.registered",
      meta: { name: image.name, source: image.source, size_mb: image.sizeMB },
    });
    return registered;
  }

  /** A user's own and the operator's; the operator's alone for null. */
  list(userId: string | null): ImageRecord[] {
    return this.#store.images.visibleTo(userId);
  }

  /** Whether its file is still there. */
  hasFile(image: ImageRecord): boolean {
    return existsSync(join(this.#dataDir, image.path));
  }

  find(userId: string | null, name: string): FoundImage | undefined {
    const record =
      (userId === null ? undefined : this.#store.images.get(userId, name)) ??
      this.#store.images.get(null, name);
    if (!record) return undefined;
    const path = join(this.#dataDir, record.path);
    return { machine: { name, digest: record.digest, path }, sizeMB: record.sizeMB };
  }

  require(userId: string, name: string): FoundImage {
    const found = this.find(userId, name);
    if (!found) throw new BhattiError("image_not_found", `Image "${name}" not found`);
    return found;
  }

  #relativePath(path: string): string {
    const inside = relative(this.#dataDir, path);
    if (inside.startsWith("..") || isAbsolute(inside)) {
      throw new BhattiError(
        "bad_request",
        `path: must be below the data directory ${this.#dataDir} (got ${path})`,
      );
    }
    return inside;
  }
}

function checkName(name: string): void {
  if (imageNamePattern.test(name)) return;
  throw new BhattiError(
    "bad_request",
    `name: must start with a letter or digit, followed by up to 127 letters, digits, dots, underscores or hyphens (got "${name}")`,
  );
}
