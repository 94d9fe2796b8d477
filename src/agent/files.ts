/** The guest's files as lohar sees to them: one stream for each piece of work. */

import type { z } from "zod";
import type { Pieces } from "../async/pieces.ts";
import { type ContentSchemas, openContent } from "./content.ts";
import {
  changeMessage,
  entryLine,
  entryMessage,
  listedMessage,
  openedFileMessage,
  openedListMessage,
  readMessage,
  transferMessage,
} from "./file-messages.ts";
import { octal } from "./file-mode.ts";
import { ProtocolError } from "./frame.ts";
import {
  type FileChange,
  type FileEntry,
  type FileList,
  type FileSelection,
  type GuestBytes,
  type GuestFiles,
  type GuestPath,
  type ListPage,
  maximumEntries,
  maximumListBytes,
  type OpenedFile,
  type TransferResult,
} from "./guest-files.ts";
import type { GuestStream } from "./guest-stream.ts";
import type { Line } from "./line.ts";
import { linesOf, maxLineBytes, type Parsed } from "./lines-of.ts";
import { nothing } from "./messages.ts";

export class LoharFiles implements GuestFiles {
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  async read(at: GuestPath, selection: FileSelection, signal: AbortSignal): Promise<OpenedFile> {
    const { offset, limit, maxBytes } = selection;
    const open = { op: "read", ...where(at), offset, limit, max_bytes: maxBytes };
    const stream = this.#open(open, { opened: openedFileMessage, result: readMessage }, signal);
    const file = await stream.opened;
    return { ...file, ...stream.content };
  }

  async list(at: GuestPath & ListPage, signal: AbortSignal): Promise<FileList> {
    const { after, maxBytes = maximumListBytes } = at;
    const open = { op: "list", ...where(at), after, max_bytes: maxBytes };
    const schemas = { opened: openedListMessage, result: listedMessage };
    const stream = this.#open(open, schemas, signal);
    const { path } = await stream.opened;
    const start = path.endsWith("/") ? path : `${path}/`;
    const entries: FileEntry[] = [];
    let bytes = 0;
    for await (const { value, length } of this.#linesOf(stream.content, entryLine, "entry")) {
      entries.push({ path: start + value.name, ...value });
      bytes += length + path.length;
      // An agent of an earlier version has no limit of its own.
      const isTooMuch = bytes > maxBytes + maxLineBytes || entries.length > maximumEntries;
      if (isTooMuch) return { entries, truncated: true };
    }
    const { truncated, next } = await stream.result;
    return { entries, truncated, ...(next !== undefined && { next }) };
  }

  stat(at: GuestPath & { follow?: boolean }, signal: AbortSignal): Promise<FileEntry> {
    const open = { op: "stat", ...where(at), follow: at.follow };
    return this.#open(open, { opened: nothing, result: entryMessage }, signal).result;
  }

  makeDirectory(
    at: GuestPath & { mode?: number; parents?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const mode = at.mode === undefined ? undefined : octal(at.mode);
    return this.#do({ op: "mkdir", ...where(at), mode, parents: at.parents }, signal);
  }

  remove(at: GuestPath & { recursive?: boolean }, signal: AbortSignal): Promise<void> {
    return this.#do({ op: "remove", ...where(at), recursive: at.recursive }, signal);
  }

  move(from: GuestPath, to: string, signal: AbortSignal): Promise<void> {
    return this.#do({ op: "move", from: from.path, to, user: from.user }, signal);
  }

  copy(from: GuestPath & { recursive?: boolean }, to: string, signal: AbortSignal): Promise<void> {
    const { path, user, recursive } = from;
    return this.#do({ op: "copy", from: path, to, user, recursive }, signal);
  }

  async pack(at: GuestPath & { sparse?: boolean }, signal: AbortSignal): Promise<GuestBytes> {
    const schemas = { opened: nothing, result: transferMessage };
    const stream = this.#open({ op: "pack", ...where(at), sparse: at.sparse }, schemas, signal);
    await stream.opened;
    return stream.content;
  }

  async unpack(
    at: GuestPath,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<TransferResult> {
    const schemas = { opened: nothing, result: transferMessage };
    const stream = this.#open({ op: "unpack", ...where(at) }, schemas, signal);
    await stream.opened;
    void stream.send(content);
    return await stream.result;
  }

  async watch(
    at: GuestPath & { recursive?: boolean },
    signal: AbortSignal,
  ): Promise<Pieces<FileChange>> {
    const open = { op: "watch", ...where(at), recursive: at.recursive };
    const stream = this.#open(open, { opened: nothing, result: nothing }, signal);
    await stream.opened;
    return {
      release: () => stream.release(),
      [Symbol.asyncIterator]: () => this.#changesOf(stream.content),
    };
  }

  async *#changesOf(content: GuestBytes): AsyncGenerator<FileChange, undefined> {
    for await (const { value } of this.#linesOf(content, changeMessage, "change")) yield value;
  }

  /** A guest that breaks the rules of a line loses its connection. */
  async *#linesOf<T>(
    stream: GuestBytes,
    schema: z.ZodType<T>,
    what: string,
  ): AsyncGenerator<Parsed<T>, undefined> {
    try {
      yield* linesOf(stream, schema, what);
    } catch (error) {
      throw error instanceof ProtocolError ? this.#line.fail(error) : error;
    }
  }

  async #do(open: object, signal: AbortSignal): Promise<void> {
    await this.#open(open, { opened: nothing, result: nothing }, signal).result;
  }

  #open<Opened, Result>(
    open: object,
    schemas: ContentSchemas<Opened, Result>,
    signal: AbortSignal,
  ): GuestStream<Opened, Result> {
    return openContent(this.#line, { kind: "file", ...open }, schemas, signal);
  }
}

function where({ path, user }: GuestPath): object {
  return { path, user };
}
