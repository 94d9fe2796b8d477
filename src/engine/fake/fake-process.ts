/** A plain command of a fake guest: a program whose output goes to whoever started it, through a bounded queue. */
import type {
  ExecOutput,
  ExecRequest,
  ExecResult,
  GuestProcess,
  TerminalSize,
} from "../../agent/guest.ts";
import type { GuestProcessInfo } from "../../agent/guest-sessions.ts";
import { OutputQueue } from "./fake-pipes.ts";
import type { FakeSurroundings } from "./fake-programs.ts";
import { FakeRun } from "./fake-run.ts";

export class FakeProcess implements GuestProcess {
  readonly session: string;
  readonly pid: number;
  readonly log = "";
  readonly result: Promise<ExecResult>;
  readonly #output = new OutputQueue();
  readonly #run: FakeRun;
  readonly #settle: (result: ExecResult) => void;
  readonly #fail: (reason: Error) => void;
  readonly #request: ExecRequest;
  readonly #started = Date.now();

  constructor(request: ExecRequest, number: number, surroundings: FakeSurroundings) {
    this.session = sessionName(number);
    this.pid = 100 + number;
    this.#request = request;
    const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
    this.result = promise;
    promise.catch(() => {}); // whoever wants to know asks; nobody has to
    this.#settle = resolve;
    this.#fail = reject;
    this.#run = new FakeRun(request, surroundings, {
      write: (channel, data) => this.#output.put(channel, data),
      finished: (result) => void this.#output.end().then(() => this.#settle(result)),
    });
  }

  /** Resolves when it has ended, whoever hears of it. */
  get over(): Promise<void> {
    return this.#run.over;
  }

  get info(): GuestProcessInfo {
    const { argv, stdin, user = "lohar" } = this.#request;
    return {
      ...{ session: this.session, kind: "exec", pid: this.pid, argv, tty: false, stdin, user },
      ...{ startedUnixMs: this.#started, running: true, attached: true, watchers: 0, logBytes: 0 },
    };
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ExecOutput> {
    yield* this.#output;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#run.write(data);
  }

  closeStdin(): void {
    this.#run.stdin.end();
  }

  resize(size: TerminalSize): void {
    this.#run.resize(size);
  }

  signal(name: string): void {
    this.#run.signal(name);
  }

  release(): void {
    this.#run.stdin.end();
    this.#output.discard();
    this.#settle(this.#run.outcome ?? { exitCode: -1, reason: "lost" });
  }

  lose(reason: Error): void {
    this.#run.end();
    this.cut(reason);
  }

  /** Whoever started it is told that it is lost; it runs on, until it has something to say. */
  cut(reason: Error): void {
    this.#output.fail(reason);
    this.#run.stdin.end();
    this.#fail(reason);
  }
}

export function sessionName(number: number): string {
  return `sess-${(0x1000 + number).toString(16)}`;
}
