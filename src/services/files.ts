/** Files in sandboxes: from a user's words to the guest's agent, which does it with the rights of the one asked for. */
import type { Guest, GuestFile, SizedContent } from "../agent/guest.ts";
import type {
  FileChange,
  FileEntry,
  FileList,
  FileSelection,
  GuestBytes,
  GuestPath,
  ListPage,
  OpenedFile,
  TransferResult,
} from "../agent/guest-files.ts";
import type { Pieces } from "../async/pieces.ts";
import { stepMs } from "../contract/deadlines.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { User } from "../store/users.ts";
import { HeldStream } from "./held-stream.ts";
import { askGuest, type Begun, beginInGuest, type Task } from "./in-guest.ts";
import type { Sandboxes, SandboxRecord } from "./sandboxes.ts";
import { Silence } from "./silence.ts";

export type { FileChange, FileEntry, FileSelection, GuestPath, SizedContent };

/** Whose sandbox, and which. */
export interface Place {
  user: User;
  ref: string;
  /** Told what its user should know about how the sandbox came to run for it. */
  warn?(text: string): void;
}

/** A file that is being read. Must be consumed or released. */
export type FileContent = GuestBytes & Pick<OpenedFile, "size" | "mode" | "bytes">;

export interface FilesOptions {
  sandboxes: Sandboxes;
  log: Logger;
  /** After this time a client that neither sends nor takes anything loses its transfer. */
  stalledSeconds: number;
}

type Held = Pick<Begun<unknown>, "use" | "explain">;

export class Files {
  readonly #sandboxes: Sandboxes;
  readonly #log: Logger;
  readonly #stalledSeconds: number;

  constructor({ sandboxes, log, stalledSeconds }: FilesOptions) {
    this.#sandboxes = sandboxes;
    this.#log = log;
    this.#stalledSeconds = stalledSeconds;
  }

  list(place: Place, at: GuestPath & ListPage, signal: AbortSignal): Promise<FileList> {
    return this.#perform(place, stepMs.brief, signal, (guest, both) => guest.files.list(at, both));
  }

  stat(place: Place, at: GuestPath & { follow?: boolean }, signal: AbortSignal) {
    return this.#perform<FileEntry>(place, stepMs.brief, signal, (guest, both) =>
      guest.files.stat(at, both),
    );
  }

  makeDirectory(
    place: Place,
    at: GuestPath & { mode?: number; parents?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    return this.#perform(place, stepMs.brief, signal, (guest, both) =>
      guest.files.makeDirectory(at, both).catch((error: unknown) => {
        throw at.parents ? error : withParentsHint(error);
      }),
    );
  }

  remove(place: Place, at: GuestPath & { recursive?: boolean }, signal: AbortSignal) {
    return this.#perform(place, stepMs.tree, signal, (guest, both) => guest.files.remove(at, both));
  }

  move(place: Place, from: GuestPath, to: string, signal: AbortSignal): Promise<void> {
    return this.#perform(place, stepMs.tree, signal, (guest, both) =>
      guest.files.move(from, to, both),
    );
  }

  copy(
    place: Place,
    from: GuestPath & { recursive?: boolean },
    to: string,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#perform(place, stepMs.tree, signal, (guest, both) =>
      guest.files.copy(from, to, both),
    );
  }

  /** The signal ends the reading too. */
  async read(
    place: Place,
    at: GuestPath,
    selection: FileSelection,
    signal: AbortSignal,
  ): Promise<FileContent> {
    const { stream, opened } = await this.#open(place, signal, (guest, both) =>
      guest.files.read(at, selection, both),
    );
    const { size, mode, bytes } = opened;
    return Object.assign(stream, { size, mode, ...(bytes !== undefined && { bytes }) });
  }

  /** A tar stream. The signal ends it too. */
  async pack(
    place: Place,
    at: GuestPath & { sparse?: boolean },
    signal: AbortSignal,
  ): Promise<GuestBytes> {
    const begin: Task<GuestBytes>["begin"] = (guest, both) => guest.files.pack(at, both);
    return (await this.#open(place, signal, begin)).stream;
  }

  /** Streams changes until the signal or its release. */
  async watch(
    place: Place,
    at: GuestPath & { recursive?: boolean },
    signal: AbortSignal,
  ): Promise<Pieces<FileChange>> {
    const sandbox = this.#sandboxes.get(place.user, place.ref);
    const task = transfer(place, (guest, both) => guest.files.watch(at, both));
    const { value, ...held } = await beginInGuest(this.#sandboxes, sandbox, task, signal);
    return new HeldStream(value, this.#noted(sandbox, held));
  }

  /** In one piece: readers see the old bytes or the new ones. */
  write(place: Place, file: GuestFile, content: SizedContent, signal: AbortSignal): Promise<void> {
    return this.#feed(place, content, signal, (guest, pieces, both) =>
      guest.writeFile(
        file,
        { size: content.size, [Symbol.asyncIterator]: () => pieces[Symbol.asyncIterator]() },
        both,
      ),
    );
  }

  /** A tar stream into a directory. What has been unpacked when it fails stays. */
  unpack(
    place: Place,
    at: GuestPath,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<TransferResult> {
    return this.#feed(place, content, signal, (guest, pieces, both) =>
      guest.files.unpack(at, pieces, both),
    );
  }

  #perform<T>(
    place: Place,
    milliseconds: number,
    signal: AbortSignal,
    begin: Task<T>["begin"],
  ): Promise<T> {
    const sandbox = this.#sandboxes.get(place.user, place.ref);
    const task = { ...common(place), what: "accessing files", beginMs: milliseconds, begin };
    return askGuest(this.#sandboxes, sandbox, task, signal);
  }

  async #open<T extends GuestBytes>(place: Place, signal: AbortSignal, begin: Task<T>["begin"]) {
    const sandbox = this.#sandboxes.get(place.user, place.ref);
    const silence = new Silence(sandbox.name, this.#stalledSeconds);
    const either = AbortSignal.any([signal, silence.signal]);
    const task = transfer(place, begin);
    const { value, ...held } = await beginInGuest(this.#sandboxes, sandbox, task, either);
    const stream = new HeldStream(value, { ...this.#noted(sandbox, held), silence });
    return { opened: value, stream };
  }

  async #feed<T>(
    place: Place,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    work: (guest: Guest, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const sandbox = this.#sandboxes.get(place.user, place.ref);
    using silence = new Silence(sandbox.name, this.#stalledSeconds);
    const either = AbortSignal.any([signal, silence.signal]);
    const task = transfer(place, async (guest) => guest);
    const {
      value: guest,
      use,
      explain,
    } = await beginInGuest(this.#sandboxes, sandbox, task, either);
    using _ = use;
    silence.expect("sandbox");
    try {
      return await work(guest, paced(content, silence), either);
    } catch (error) {
      throw await explain(error);
    }
  }

  /** Logs the error of a started stream, whose response cannot carry it. */
  #noted({ id }: SandboxRecord, { use, explain }: Held): Held {
    return {
      use,
      explain: async (error) => {
        const explained = await explain(error);
        // A client that disconnects is no fault.
        const level = isBhattiError(explained, "cancelled") ? "debug" : "warn";
        this.#log[level]("file transfer aborted", { sandbox: id, error: explained });
        return explained;
      },
    };
  }
}

/** What all that is done with files has in common as a task. */
function common({ warn }: Place) {
  return { use: "files", endsWithStream: true, warn };
}

function transfer<T>(place: Place, begin: Task<T>["begin"]): Task<T> {
  return { ...common(place), what: "transferring files", beginMs: stepMs.brief, begin };
}

/** Whose turn it is: the client's to send, or the sandbox's to take. */
async function* paced(
  content: AsyncIterable<Uint8Array>,
  silence: Silence,
): AsyncGenerator<Uint8Array> {
  silence.expect("client");
  for await (const piece of content) {
    silence.expect("sandbox");
    yield piece;
    silence.expect("client");
  }
  silence.expect("sandbox");
}

function withParentsHint(error: unknown): unknown {
  if (!isBhattiError(error, "path_not_found")) return error;
  const hint = "Create parent directories too: -p (parents=true in the API)";
  return new BhattiError(error.code, error.message, { cause: error, hint });
}
