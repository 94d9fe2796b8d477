/** The pipes of a fake process: bounded, so that a stalled reader stalls the writer as in a real guest. */
import type { ExecOutput } from "../../agent/guest.ts";

const capacity = 262_144;
const largestChunk = 32_768;

/** Wakes those who wait about a change. */
export class Bell {
  #wake = Promise.withResolvers<void>();

  ring(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  heard(): Promise<void> {
    return this.#wake.promise;
  }
}

export class OutputQueue implements AsyncIterable<ExecOutput> {
  readonly #bell = new Bell();
  #chunks: ExecOutput[] = [];
  #bytes = 0;
  #ended = false;
  #discarding = false;
  #failure: Error | undefined;

  async put(channel: ExecOutput["channel"], data: Uint8Array): Promise<void> {
    for (let start = 0; start < data.length; start += largestChunk) {
      while (this.#bytes >= capacity && !this.#closed) await this.#bell.heard();
      // A real process would write into the void until its timeout; that would only cost tests their time.
      if (this.#closed) throw new Error("nobody reads any more");
      const piece = data.subarray(start, start + largestChunk);
      const chunk = new Uint8Array(1 + piece.length);
      chunk[0] = channel;
      chunk.set(piece, 1);
      this.#chunks.push({ channel, chunk });
      this.#bytes += piece.length;
      this.#bell.ring();
    }
  }

  /** No more output. Resolves when all of it was read. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#bell.ring();
    while (this.#chunks.length > 0) await this.#bell.heard();
  }

  discard(): void {
    this.#discarding = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#bell.ring();
  }

  fail(reason: Error): void {
    this.#failure = reason;
    this.#bell.ring();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ExecOutput> {
    for (;;) {
      const next = this.#chunks.shift();
      if (next) {
        this.#bytes -= next.chunk.length - 1;
        yield next;
        this.#bell.ring();
      } else if (this.#failure) {
        throw this.#failure;
      } else if (this.#ended || this.#discarding) {
        return;
      } else {
        await this.#bell.heard();
      }
    }
  }

  get #closed(): boolean {
    return this.#ended || this.#discarding || this.#failure !== undefined;
  }
}

export class StdinQueue implements AsyncIterable<Uint8Array> {
  readonly #bell = new Bell();
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;

  async put(data: Uint8Array): Promise<void> {
    while (this.#bytes >= capacity && !this.#ended) await this.#bell.heard();
    if (this.#ended) throw new Error("stdin is closed");
    this.#chunks.push(data.slice());
    this.#bytes += data.length;
    this.#bell.ring();
  }

  end(): void {
    this.#ended = true;
    this.#bell.ring();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      const next = this.#chunks.shift();
      if (next) {
        this.#bytes -= next.length;
        this.#bell.ring();
        yield next;
      } else if (this.#ended) {
        return;
      } else {
        await this.#bell.heard();
      }
    }
  }
}
