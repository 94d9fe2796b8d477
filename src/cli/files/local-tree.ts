/**
 * A local directory that is filled with what somebody else sent: nothing is written outside of it, and no link within
 * it is followed, whether it was there or came with the rest.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { bytesOf } from "../../contract/byte-text.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { setModified } from "./libc.ts";
import { writing } from "./local-error.ts";
import { placed } from "./sparse.ts";
import type { TarEntry } from "./tar-header.ts";
import type { TarItem } from "./tar-reader.ts";

/** No set-user-id here: the owner is whoever runs this. */
const ordinaryBits = 0o1777;
const setIdBits = 0o6000;
const createNew =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

type Facts = Pick<TarEntry, "name" | "mode" | "mtime">;
type FileFacts = Facts & Pick<TarItem, "size" | "extents">;

export interface TreeOptions {
  /** Keeps set-user-ID and set-group-ID bits, which give a sandbox's program the rights of the local user. */
  keepsSetId?: boolean;
}

export class LocalTree {
  readonly #root: Buffer;
  /** Seen to be directories, or made. */
  readonly #directories = new Set<string>();
  /** Whose modes and times are set when all is in them. */
  readonly #later: Facts[] = [];
  readonly #keepsSetId: boolean;
  /** Number of files without such a bit. */
  unprivileged = 0;

  /** The directory is made when it lacks. */
  constructor(root: string, { keepsSetId = false }: TreeOptions = {}) {
    this.#keepsSetId = keepsSetId;
    this.#root = bytesOf(root);
    writing(root, () => mkdirSync(this.#root, { recursive: true }));
  }

  directory(entry: Facts): void {
    refuseUnsafe(entry.name);
    this.#enter(entry.name);
    this.#later.push(entry);
  }

  /** Takes the place of what has this name when all its bytes are there. */
  async file(entry: FileFacts, content: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#place(entry.name);
    refuseSpecial(path, "a file");
    const temporary = beside(path);
    const descriptor = writing(path, () => openSync(temporary, createNew, 0o600));
    try {
      try {
        const extents = entry.extents ?? [{ offset: 0, length: entry.size }];
        for await (const { offset, piece } of placed(content, extents)) {
          writeAll(descriptor, piece, offset, path);
        }
        if (entry.extents) writing(path, () => ftruncateSync(descriptor, entry.size));
        fchmodSync(descriptor, this.#bitsOf(entry));
        if (!setModified(descriptor, entry.mtime)) {
          futimesSync(descriptor, timeOf(entry), timeOf(entry));
        }
      } finally {
        closeSync(descriptor);
      }
      writing(path, () => renameSync(temporary, path));
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    }
  }

  /** Removes the padding of a file. */
  shorten(name: Buffer, size: number): void {
    const path = this.#place(name);
    writing(path, () => {
      const descriptor = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
      try {
        const { atime, mtime, mtimeNs } = fstatSync(descriptor, { bigint: true });
        ftruncateSync(descriptor, size);
        if (!setModified(descriptor, mtimeNs)) futimesSync(descriptor, atime, mtime);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  symlink(entry: Facts & { target: Buffer }): void {
    const path = this.#place(entry.name);
    this.#clear(path);
    writing(path, () => {
      symlinkSync(entry.target, path);
      if (!setModified(path, entry.mtime)) lutimesSync(path, timeOf(entry), timeOf(entry));
    });
  }

  /** Another name for a file that was written before. */
  link(entry: Facts & { target: Buffer }): void {
    const path = this.#place(entry.name);
    const first = this.#place(entry.target);
    if (!lstatSync(first, { throwIfNoEntry: false })?.isFile()) {
      throw new BhattiError(
        "unsafe_path",
        `"${entry.name}" is a hard link to something that is not a file`,
      );
    }
    this.#clear(path);
    writing(path, () => linkSync(first, path));
  }

  /** The deepest first: a directory that may not be written any more, or whose time would change, comes after what is in it. */
  finish(): void {
    for (const entry of this.#later.toReversed()) {
      const path = this.#pathOf(entry.name);
      writing(path, () => {
        chmodSync(path, this.#bitsOf(entry));
        if (!setModified(path, entry.mtime)) utimesSync(path, timeOf(entry), timeOf(entry));
      });
    }
  }

  #bitsOf({ mode }: Facts): number {
    if (this.#keepsSetId) return mode & (ordinaryBits | setIdBits);
    if ((mode & setIdBits) !== 0) this.unprivileged += 1;
    return mode & ordinaryBits;
  }

  #place(name: Buffer): Buffer {
    refuseUnsafe(name);
    const slash = name.lastIndexOf("/");
    this.#enter(name.subarray(0, Math.max(slash, 0)));
    return this.#pathOf(name);
  }

  #enter(name: Buffer): void {
    const key = name.toString("latin1");
    if (name.length === 0 || this.#directories.has(key)) return;
    this.#enter(name.subarray(0, Math.max(name.lastIndexOf("/"), 0)));
    const path = this.#pathOf(name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) writing(path, () => mkdirSync(path));
    else if (!stat.isDirectory()) throw inTheWay(path, stat.isSymbolicLink());
    this.#directories.add(key);
  }

  #clear(path: Buffer): void {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      throw new BhattiError(
        "path_exists",
        `"${path}" is a directory locally and a link in the sandbox`,
      );
    }
    refuseSpecial(path, "a link");
    if (stat) writing(path, () => unlinkSync(path));
  }

  #pathOf(name: Buffer): Buffer {
    return Buffer.concat([this.#root, Buffer.from("/"), name]);
  }
}

/** Only names below the root: no reader of names is trusted to have checked them. */
function refuseUnsafe(name: Buffer): void {
  const isUnsafe = (part: string) =>
    part === "" || part === "." || part === ".." || part.includes("\0");
  if (!name.toString("latin1").split("/").some(isUnsafe)) return;
  throw new BhattiError("unsafe_path", `"${name}" from the sandbox is no name in the directory`);
}

/** As a number one before 1970 is taken for now (Bun 1.4.5). */
function timeOf({ mtime }: Facts): Date {
  const time = new Date(Number(mtime / 1_000_000n));
  return Number.isNaN(time.getTime()) ? new Date(0) : time;
}

/** A name of its own, as a name that is as long as names may be has no room for more. */
function beside(path: Buffer): Buffer {
  const directory = path.subarray(0, path.lastIndexOf("/") + 1);
  return Buffer.concat([directory, Buffer.from(`.bhatti-${crypto.randomUUID()}`)]);
}

/** Such as /dev/null, which must not be replaced by a file. */
function refuseSpecial(path: Buffer, there: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat || stat.isFile() || stat.isSymbolicLink() || stat.isDirectory()) return;
  throw new BhattiError(
    "path_exists",
    `"${path}" is a device, FIFO or socket here, and ${there} there`,
  );
}

function inTheWay(path: Buffer, isLink: boolean): BhattiError {
  return isLink
    ? new BhattiError("unsafe_path", `"${path}" is a symbolic link, which pull does not follow`, {
        hint: "Remove it, or pull to another directory",
      })
    : new BhattiError("path_exists", `"${path}" is a file locally and a directory in the sandbox`);
}

function writeAll(descriptor: number, piece: Uint8Array, offset: number, path: Buffer): void {
  for (let at = 0; at < piece.length; ) {
    at += writing(path, () => writeSync(descriptor, piece, at, piece.length - at, offset + at));
  }
}
