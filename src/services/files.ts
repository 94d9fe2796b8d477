/** Files in sandboxes: from a user's words to the guest's agent, which does it with the rights of the one asked for. */
import type { Guest, GuestFile, SizedContent } from "../agent/guest.ts";
import type {
  FileChange,
  FileEntry,
  FileList,
  FileSelection,
  GuestBytes,
  GuestPath,
  TransferResult,
} from "../agent/guest-files.ts";
import { within } from "../async/deadline.ts";
import type { Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { User } from "../store/users.ts";
import { HeldStream } from "./held-stream.ts";
import { explainLoss } from "./machine-loss.ts";
import type { Sandboxes } from "./sandboxes.ts";
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
export interface FileContent extends GuestBytes {
  /** Of the whole file, in bytes. */
  size: number;
  mode: number;
  /** How many bytes follow, when that is known before they are read. */
  bytes?: number;
}

export type FileChanges = AsyncIterable<FileChange> & { release(): void };

/** What a guest does at once, and what may take it through a large tree. */
const briefMs = 30_000;
const longMs = 600_000;

type Work<T> = (guest: Guest, signal: AbortSignal) => Promise<T>;

interface Ready {
  use: Disposable;
  /** Runs the work, and gives the guest that long for its answer. */
  ask<T>(milliseconds: number, signal: AbortSignal, work: Work<T>): Promise<T>;
  /** Gives the error to tell instead. */
  explain(error: unknown): Promise<unknown>;
  machine: Machine;
}

export class Files {
  readonly #sandboxes: Sandboxes;
  readonly #log: Logger;

  constructor(sandboxes: Sandboxes, log: Logger) {
    this.#sandboxes = sandboxes;
    this.#log = log;
  }

  list(place: Place, at: GuestPath, signal: AbortSignal): Promise<FileList> {
    return this.#perform(place, briefMs, signal, (guest, both) => guest.files.list(at, both));
  }

  stat(place: Place, at: GuestPath & { follow?: boolean }, signal: AbortSignal) {
    return this.#perform<FileEntry>(place, briefMs, signal, (guest, both) =>
      guest.files.stat(at, both),
    );
  }

  makeDirectory(
    place: Place,
    at: GuestPath & { mode?: number; parents?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    return this.#perform(place, briefMs, signal, (guest, both) =>
      guest.files.makeDirectory(at, both),
    );
  }

  remove(place: Place, at: GuestPath & { recursive?: boolean }, signal: AbortSignal) {
    return this.#perform(place, longMs, signal, (guest, both) => guest.files.remove(at, both));
  }

  move(place: Place, from: GuestPath, to: string, signal: AbortSignal): Promise<void> {
    return this.#perform(place, longMs, signal, (guest, both) => guest.files.move(from, to, both));
  }

  copy(
    place: Place,
    from: GuestPath & { recursive?: boolean },
    to: string,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#perform(place, longMs, signal, (guest, both) => guest.files.copy(from, to, both));
  }

  /** The signal ends the reading too. */
  async read(place: Place, at: GuestPath, selection: FileSelection, signal: AbortSignal) {
    const { stream, opened } = await this.#open(place, signal, (guest, both) =>
      guest.files.read(at, selection, both),
    );
    const { size, mode, bytes } = opened;
    return Object.assign<GuestBytes, Omit<FileContent, keyof GuestBytes>>(stream, {
      size,
      mode,
      ...(bytes !== undefined && { bytes }),
    });
  }

  /** A tar stream. The signal ends it too. */
  async pack(place: Place, at: GuestPath, signal: AbortSignal): Promise<GuestBytes> {
    const work: Work<GuestBytes> = (guest, both) => guest.files.pack(at, both);
    return (await this.#open(place, signal, work)).stream;
  }

  /** Changes until the signal, or until it is let go of. */
  async watch(
    place: Place,
    at: GuestPath & { recursive?: boolean },
    signal: AbortSignal,
  ): Promise<FileChanges> {
    const { use, ask, explain } = await this.#use(place, signal);
    try {
      const changes = await ask(briefMs, signal, (guest, both) => guest.files.watch(at, both));
      return new HeldStream(changes, { use, explain: this.#noted(place, explain) });
    } catch (error) {
      use[Symbol.dispose]();
      throw error;
    }
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

  async #perform<T>(
    place: Place,
    milliseconds: number,
    signal: AbortSignal,
    work: Work<T>,
  ): Promise<T> {
    const { use, ask } = await this.#use(place, signal);
    using _ = use;
    return await ask(milliseconds, signal, work);
  }

  async #open<T extends GuestBytes>(place: Place, signal: AbortSignal, work: Work<T>) {
    const { use, ask, explain } = await this.#use(place, signal);
    const silence = new Silence(place.ref);
    try {
      const opened = await ask(briefMs, AbortSignal.any([signal, silence.signal]), work);
      const options = { use, silence, explain: this.#noted(place, explain) };
      return { opened, stream: new HeldStream(opened, options) };
    } catch (error) {
      use[Symbol.dispose]();
      throw error;
    }
  }

  async #feed<T>(
    place: Place,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    work: (guest: Guest, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { use, machine, explain } = await this.#use(place, signal);
    using _ = use;
    using silence = new Silence(place.ref);
    const either = AbortSignal.any([signal, silence.signal]);
    silence.expect("sandbox");
    try {
      const guest = await machine.guest(either);
      return await work(guest, paced(content, silence), either);
    } catch (error) {
      throw await explain(error);
    }
  }

  /** A stream that has begun has no other place for what ends it than the log. */
  #noted({ ref }: Place, explain: Ready["explain"]): Ready["explain"] {
    return async (error) => {
      const told = await explain(error);
      this.#log.warn("a transfer of files was cut off", { sandbox: ref, error: told });
      return told;
    };
  }

  /** Its machine, awake until the use is disposed of. */
  async #use(place: Place, signal: AbortSignal): Promise<Ready> {
    const sandbox = this.#sandboxes.get(place.user, place.ref);
    const use = await this.#sandboxes.use(sandbox, "files", signal);
    if (use.warning !== undefined) place.warn?.(use.warning);
    const { machine } = use;
    const what = `Sandbox "${sandbox.name}" ended before it was done`;
    const explain = (error: unknown) => explainLoss(error, machine, { what });
    const ask = async <T>(milliseconds: number, both: AbortSignal, work: Work<T>): Promise<T> => {
      try {
        return await within(milliseconds, "It", both, async (all) =>
          work(await machine.guest(all), all),
        );
      } catch (error) {
        if (!isBhattiError(error, "timeout") || both.aborted) throw await explain(error);
        const text = `Sandbox "${sandbox.name}" did not answer within ${milliseconds / 1000} s`;
        throw new BhattiError("guest_unresponsive", text, { cause: error });
      }
    };
    return { use, machine, ask, explain };
  }
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
