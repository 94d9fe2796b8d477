/** The guest's files as lohar sees to them: one stream for each piece of work. */

import type { z } from "zod";
import type { Pieces } from "../async/pieces.ts";
import { type ContentPlan, openContent } from "./content.ts";
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
    const plan = { opened: openedFileMessage, result: readMessage, hasOutput: true };
    const stream = this.#open(open, plan, signal);
    const file = await stream.opened;
    const { release } = stream.content;
    return {
      ...file,
      release,
      [Symbol.asyncIterator]: () => this.#atMost(file.bytes, stream.content),
    };
  }

  async list(at: GuestPath & ListPage, signal: AbortSignal): Promise<FileList> {
    const { after, maxBytes = maximumListBytes } = at;
    const open = { op: "list", ...where(at), after, max_bytes: maxBytes };
    const plan = { opened: openedListMessage, result: listedMessage, hasOutput: true };
    const stream = this.#open(open, plan, signal);
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
    const plan = { opened: nothing, result: entryMessage, hasOutput: false };
    return this.#open(open, plan, signal).result;
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
    const plan = { opened: nothing, result: transferMessage, hasOutput: true };
    const stream = this.#open({ op: "pack", ...where(at), sparse: at.sparse }, plan, signal);
    await stream.opened;
    return stream.content;
  }

  async unpack(
    at: GuestPath,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<TransferResult> {
    const plan = { opened: nothing, result: transferMessage, hasOutput: false };
    const stream = this.#open({ op: "unpack", ...where(at) }, plan, signal);
    await stream.opened;
    void stream.send(content);
    return await stream.result;
  }

  async watch(
    at: GuestPath & { recursive?: boolean },
    signal: AbortSignal,
  ): Promise<Pieces<FileChange>> {
    const open = { op: "watch", ...where(at), recursive: at.recursive };
    const plan = { opened: nothing, result: nothing, hasOutput: true };
    const stream = this.#open(open, plan, signal);
    await stream.opened;
    return {
      release: () => stream.release(),
      [Symbol.asyncIterator]: () => this.#changesOf(stream.content),
    };
  }

  async *#changesOf(content: GuestBytes): AsyncGenerator<FileChange, undefined> {
    for await (const { value } of this.#linesOf(content, changeMessage, "change")) yield value;
  }

  /** A guest that sends more than it announced loses its connection. */
  async *#atMost(limit: number | undefined, content: GuestBytes) {
    let bytes = 0;
    for await (const piece of content) {
      bytes += piece.length;
      if (limit !== undefined && bytes > limit) {
        const message = `The guest sent more than the ${limit} bytes that it announced`;
        throw this.#line.fail(new ProtocolError("too_long", message));
      }
      yield piece;
    }
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
    await this.#open(open, { opened: nothing, result: nothing, hasOutput: false }, signal).result;
  }

  #open<Opened, Result>(
    open: object,
    plan: ContentPlan<Opened, Result>,
    signal: AbortSignal,
  ): GuestStream<Opened, Result> {
    return openContent(this.#line, { kind: "file", ...open }, plan, signal);
  }
}

function where({ path, user }: GuestPath): object {
  return { path, user };
}
