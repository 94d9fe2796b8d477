/** One watcher of a fake guest's files: changes that wait to be read. */
import type { FileChange } from "../../agent/guest-files.ts";
import { reasonOf } from "../../async/deadline.ts";

export class FakeWatch implements AsyncIterable<FileChange> {
  readonly #path: string;
  readonly #recursive: boolean;
  readonly #forget: () => void;
  readonly #changes: FileChange[] = [];
  #more = Promise.withResolvers<void>();
  #over: { reason?: Error } | undefined;

  constructor(path: string, recursive: boolean, signal: AbortSignal, forget: () => void) {
    this.#path = path;
    this.#recursive = recursive;
    this.#forget = forget;
    signal.addEventListener("abort", () => this.fail(reasonOf(signal)), { once: true });
  }

  take(change: FileChange): void {
    const parent = change.path.slice(0, change.path.lastIndexOf("/")) || "/";
    const isBelow = this.#recursive && change.path.startsWith(`${this.#path}/`);
    if (!isBelow && change.path !== this.#path && parent !== this.#path) return;
    this.#changes.push(change);
    this.#more.resolve();
  }

  fail(reason: Error): void {
    this.#end({ reason });
  }

  release(): void {
    this.#end({});
  }

  #end(over: { reason?: Error }): void {
    this.#over ??= over;
    this.#forget();
    this.#more.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FileChange> {
    for (;;) {
      yield* this.#changes.splice(0);
      if (this.#over?.reason) throw this.#over.reason;
      if (this.#over) return;
      await this.#more.promise;
      this.#more = Promise.withResolvers<void>();
    }
  }
}
