/** The files of a fake guest: a map of paths, in which a directory is made or implied by what is below it. */
import type { GuestFile } from "../../agent/guest.ts";
import {
  type FileChange,
  type FileEntry,
  type FileList,
  type FileOwner,
  type FileSelection,
  type GuestBytes,
  type GuestFiles,
  type GuestPath,
  maximumEntries,
  type OpenedFile,
  type TransferResult,
} from "../../agent/guest-files.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { FakeFile } from "./fake-programs.ts";
import { tarOf, untar } from "./fake-tar.ts";
import { FakeWatch } from "./fake-watch.ts";
import { selectedPart } from "./file-selection.ts";

export interface FakeFilesOptions {
  /** By path; a directory that was made has an entry of its own. */
  tree: Map<string, FakeFile>;
  /** Throws when nobody answers any more. */
  check(signal: AbortSignal): Promise<void>;
  /** Told of every byte that leaves. */
  wrote(bytes: number): void;
}

const pieceBytes = 32_767;
/** Directories that every guest has. */
const given = new Set(["/", "/workspace", "/tmp", "/root", "/etc", "/home", "/home/lohar"]);

export class FakeFiles implements GuestFiles {
  readonly #options: FakeFilesOptions;
  readonly #watches = new Set<FakeWatch>();

  constructor(options: FakeFilesOptions) {
    this.#options = options;
  }

  async read(at: GuestPath, selection: FileSelection, signal: AbortSignal): Promise<OpenedFile> {
    const { file, path } = await this.#find(at, signal);
    if (!file || file.kind === "directory") throw isDirectory(path);
    const part = selectedPart(file.content, selection);
    const isWhole = part.length === file.content.length;
    return Object.assign(this.#stream(part, signal), {
      size: file.content.length,
      mode: file.mode,
      mtimeMs: file.mtimeMs ?? 0,
      ...(isWhole && { bytes: part.length }),
    });
  }

  async list(at: GuestPath, signal: AbortSignal): Promise<FileList> {
    const { path, file } = await this.#find(at, signal);
    if (file && file.kind !== "directory") throw notDirectory(path);
    const names = [...this.#namesIn(path)].toSorted();
    const entries = names.slice(0, maximumEntries).map((name) => this.#entry(join(path, name)));
    return { entries, truncated: names.length > maximumEntries };
  }

  async stat(at: GuestPath & { follow?: boolean }, signal: AbortSignal): Promise<FileEntry> {
    const { path } = await this.#find(at, signal, at.follow !== false);
    return this.#entry(path);
  }

  async makeDirectory(
    at: GuestPath & { mode?: number; parents?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const path = await this.#enter(at, signal);
    const isThere = this.#exists(path);
    if (isThere && !(at.parents && this.#isDirectory(path))) throw exists(path);
    if (!at.parents && !this.#isDirectory(parentOf(path))) throw notFound(parentOf(path));
    this.#requireRoom(path);
    if (!isThere) this.#put(path, { kind: "directory", mode: at.mode ?? 0o755, user: at.user });
  }

  async remove(at: GuestPath & { recursive?: boolean }, signal: AbortSignal): Promise<void> {
    const { path } = await this.#find(at, signal, false);
    const below = [...this.#options.tree.keys()].filter((one) => one.startsWith(`${path}/`));
    if (below.length > 0 && !at.recursive) {
      throw new BhattiError("directory_not_empty", `${path} is not empty`);
    }
    for (const one of [...below, path]) this.#options.tree.delete(one);
    this.#tell({ type: "deleted", path, isDirectory: below.length > 0 });
  }

  async move(from: GuestPath, to: string, signal: AbortSignal): Promise<void> {
    const moved = await this.#relocate(from, to, signal);
    for (const [path] of moved.files) this.#options.tree.delete(path);
    for (const [path, file] of moved.files) this.#options.tree.set(moved.target(path), file);
    const { source, destination, isDirectory } = moved;
    this.#tell({ type: "moved", path: destination, from: source, isDirectory });
  }

  async copy(
    from: GuestPath & { recursive?: boolean },
    to: string,
    signal: AbortSignal,
  ): Promise<void> {
    const copied = await this.#relocate(from, to, signal);
    if (copied.isDirectory && !from.recursive) throw isDirectory(copied.source);
    for (const [path, file] of copied.files) this.#options.tree.set(copied.target(path), file);
    this.#tell({ type: "created", path: copied.destination, isDirectory: copied.isDirectory });
  }

  async pack(at: GuestPath, signal: AbortSignal): Promise<GuestBytes> {
    const { path, file } = await this.#find(at, signal);
    const entries = file && file.kind !== "directory" ? [[path, file] as const] : this.#below(path);
    const base = file && file.kind !== "directory" ? parentOf(path) : path;
    const prefix = base === "/" ? 1 : base.length + 1;
    const tar = await tarOf(entries.map(([one, packed]) => [one.slice(prefix), packed]));
    return this.#stream(tar, signal);
  }

  async unpack(
    at: GuestPath,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<TransferResult> {
    const path = await this.#enter(at, signal);
    if (this.#exists(path) && !this.#isDirectory(path)) throw notDirectory(path);
    let [entries, bytes, skipped] = [0, 0, 0];
    for await (const [name, file] of untar(content, at.user)) {
      signal.throwIfAborted();
      if (!file) {
        skipped += 1;
        continue;
      }
      entries += 1;
      bytes += file.content.length;
      if (!this.#isDirectory(join(path, name))) this.#put(join(path, name), file);
    }
    if (!this.#isDirectory(path))
      this.#put(path, { kind: "directory", mode: 0o755, user: at.user });
    return { entries, bytes, skipped };
  }

  async watch(at: GuestPath & { recursive?: boolean }, signal: AbortSignal): Promise<FakeWatch> {
    const { path } = await this.#find(at, signal);
    const watch = new FakeWatch(path, at.recursive === true, signal, () =>
      this.#watches.delete(watch),
    );
    this.#watches.add(watch);
    return watch;
  }

  /** Everything that watches ends with the reason. */
  lose(reason: Error): void {
    for (const watch of [...this.#watches]) watch.fail(reason);
  }

  async write(file: GuestFile, content: Uint8Array): Promise<void> {
    const path = absolute(file.path);
    this.#require(path, file.user);
    if (this.#isDirectory(path)) throw isDirectory(path);
    this.#requireRoom(path);
    this.#put(path, { mode: file.mode, user: file.user, content });
  }

  async #relocate(from: GuestPath, to: string, signal: AbortSignal) {
    const { path: source } = await this.#find(from, signal, false);
    const wanted = absolute(to);
    this.#require(wanted, from.user);
    const destination = this.#isDirectory(wanted) ? join(wanted, nameOf(source)) : wanted;
    if (!this.#isDirectory(parentOf(destination))) throw notFound(parentOf(destination));
    const isDirectory = this.#isDirectory(source);
    if (isDirectory && this.#exists(destination)) throw exists(destination);
    const own = this.#options.tree.get(source);
    const files = [...(own ? [[source, own] as const] : []), ...this.#below(source)];
    const target = (path: string) => destination + path.slice(source.length);
    return { source, destination, isDirectory, files, target };
  }

  #stream(bytes: Uint8Array, signal: AbortSignal): GuestBytes {
    const { check, wrote } = this.#options;
    let isReleased = false;
    return {
      release() {
        isReleased = true;
      },
      async *[Symbol.asyncIterator]() {
        for (let at = 0; at < bytes.length && !isReleased; at += pieceBytes) {
          await check(signal);
          const piece = bytes.subarray(at, at + pieceBytes);
          wrote(piece.length);
          yield piece;
        }
      },
    };
  }

  async #enter(at: GuestPath, signal: AbortSignal): Promise<string> {
    await this.#options.check(signal);
    const path = absolute(at.path);
    this.#require(path, at.user);
    return path;
  }

  async #find(at: GuestPath, signal: AbortSignal, follow = true) {
    const path = await this.#enter(at, signal);
    this.#requireRoom(path);
    const file = this.#options.tree.get(path);
    if (follow && file?.target !== undefined) {
      const target = file.target.startsWith("/") ? file.target : join(parentOf(path), file.target);
      return { path: target, file: this.#options.tree.get(target) };
    }
    if (!this.#exists(path)) throw notFound(path);
    return { path, file };
  }

  /** No component above it is a file. */
  #requireRoom(path: string): void {
    for (let above = parentOf(path); above !== "/"; above = parentOf(above)) {
      if (this.#exists(above) && !this.#isDirectory(above)) throw notDirectory(above);
    }
  }

  #require(path: string, user: FileOwner): void {
    if (user === "root" || !/^\/(root|etc)(\/|$)/.test(path)) return;
    throw new BhattiError("permission_denied", `${path}: Permission denied`);
  }

  #put(path: string, file: Omit<FakeFile, "content"> & { content?: Uint8Array }): void {
    const type = this.#exists(path) ? "modified" : "created";
    this.#options.tree.set(path, { content: new Uint8Array(), mtimeMs: Date.now(), ...file });
    this.#tell({ type, path, isDirectory: file.kind === "directory" });
  }

  #tell(change: FileChange): void {
    for (const watch of this.#watches) watch.take(change);
  }

  #below(path: string): (readonly [string, FakeFile])[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return [...this.#options.tree].filter(([one]) => one.startsWith(prefix));
  }

  #namesIn(path: string): Set<string> {
    const prefix = path === "/" ? "/" : `${path}/`;
    const all = [...this.#options.tree.keys(), ...given].filter((one) => one.startsWith(prefix));
    return new Set(all.map((one) => one.slice(prefix.length).split("/")[0] ?? "").filter(Boolean));
  }

  #exists(path: string): boolean {
    return this.#options.tree.has(path) || this.#isDirectory(path);
  }

  #isDirectory(path: string): boolean {
    const file = this.#options.tree.get(path);
    if (file) return file.kind === "directory";
    return given.has(path) || this.#namesIn(path).size > 0;
  }

  #entry(path: string): FileEntry {
    const file = this.#options.tree.get(path);
    const isDirectory = this.#isDirectory(path);
    const id = (file?.user ?? "root") === "root" ? 0 : 1000;
    return {
      name: nameOf(path),
      path,
      type: file?.target === undefined ? (isDirectory ? "directory" : "file") : "link",
      size: file?.content.length ?? 0,
      mode: file?.mode ?? 0o755,
      mtimeMs: file?.mtimeMs ?? 0,
      uid: id,
      gid: id,
      ...(file?.target !== undefined && { target: file.target }),
    };
  }
}

function absolute(path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `/workspace/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

const join = (path: string, name: string) => absolute(`${path}/${name}`);
const parentOf = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";
const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

const notFound = (path: string) =>
  new BhattiError("path_not_found", `${path}: No such file or directory`);
const notDirectory = (path: string) =>
  new BhattiError("not_directory", `${path} is not a directory`);
const isDirectory = (path: string) => new BhattiError("is_directory", `${path} is a directory`);
const exists = (path: string) => new BhattiError("path_exists", `${path} exists already`);
