/** A session on our own terminal, or on our pipes: until it ends, somebody leaves it, or it cannot be reached any more. */
import { DaemonError } from "../../client/failure.ts";
import { type SessionOutput, SessionStream } from "../../client/session-stream.ts";
import type { AttachStart, ShellStart } from "../../contract/exec.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { exitCodeOf } from "../exec/exit-code.ts";
import { unusualEnd } from "../exec/sink.ts";
import type { Signal, StdinKind } from "../system.ts";
import { lostWords, regainedWords } from "./connection-words.ts";
import { describeReattached } from "./reattached.ts";
import { Screen } from "./screen.ts";
import { forwardBytes, forwardKeys } from "./session-input.ts";

export interface SessionPlan {
  sandbox: string;
  start: ShellStart | AttachStart;
  stdin: StdinKind;
}

/** Somebody has left; the session goes on. */
class Left extends Error {
  readonly signal: Signal | undefined;

  constructor(signal?: Signal) {
    super("left");
    this.signal = signal;
  }
}

const lastWordsMs = 1000;
const leavingSignals: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** Returns the exit code of the session, or 0 when it was detached from. */
export async function followSession(context: Context, plan: SessionPlan): Promise<number> {
  const { system, timing } = context;
  const leave = new AbortController();
  const screen = new Screen(context);
  const follower = new Follower(context, plan, screen, leave, await context.client());
  using handlers = new DisposableStack();
  const leaveOn = (signal: Signal) => {
    leave.abort(new Left(signal));
    const die = () => {
      screen.restore();
      handlers.dispose();
      system.die(signal);
    };
    setTimeout(die, lastWordsMs).unref(); // output that is not taken must not keep this client
  };
  for (const signal of leavingSignals) {
    handlers.use(system.onSignal(signal, () => leaveOn(signal)));
  }
  let midway = true;
  try {
    const exitCode = await follower.run();
    midway = false;
    return exitCode;
  } catch (error) {
    if (!(error instanceof Left)) throw follower.explained(error);
    await screen.leave(true);
    handlers.dispose();
    return await follower.left(error.signal);
  } finally {
    follower[Symbol.dispose]();
    await screen.leave(midway);
    timing?.end();
  }
}

class Follower implements Disposable {
  readonly #context: Context;
  readonly #plan: SessionPlan;
  readonly #screen: Screen;
  readonly #leave: AbortController;
  readonly #session: SessionStream;
  readonly #held = new DisposableStack();
  readonly #isWatching: boolean;
  #hasSentBytes = false;

  constructor(
    context: Context,
    plan: SessionPlan,
    screen: Screen,
    leave: AbortController,
    client: Awaited<ReturnType<Context["client"]>>,
  ) {
    this.#context = context;
    this.#plan = plan;
    this.#screen = screen;
    this.#leave = leave;
    this.#isWatching = "attach" in plan.start && plan.start.mode === "watch";
    this.#session = new SessionStream({
      client,
      ref: plan.sandbox,
      start: plan.start,
      size: () => context.system.terminal.size(),
      signal: leave.signal,
      // Whether all of a program's input has arrived cannot be known, and it is not for us to guess.
      mayReconnect: () => !this.#hasSentBytes,
    });
  }

  async run(): Promise<number> {
    for await (const event of this.#session.events()) {
      this.#leave.signal.throwIfAborted();
      if (event.type === "exit") {
        const why = unusualEnd(event);
        if (why) await this.#screen.say(why);
        return exitCodeOf(event);
      }
      await this.#take(event);
    }
    throw new BhattiError(
      "connection_lost",
      "the connection closed before the session's exit code arrived",
    );
  }

  /** A word to whoever has left; a signal then ends us as it would have. */
  async left(signal: Signal | undefined): Promise<number> {
    const { id = "the sandbox" } = this.#session;
    if (signal !== "SIGHUP") {
      await this.#context.remark(`detached from ${id}. Reattach: ${this.#back()}`);
    }
    if (signal && signal !== "SIGQUIT") this.#context.system.die(signal);
    return 0;
  }

  /** What a person can do about it, with names instead of placeholders. */
  explained(error: unknown): unknown {
    const { id } = this.#session;
    if (!id) return error;
    const code = error instanceof DaemonError || isBhattiError(error) ? error.code : undefined;
    const { sandbox } = this.#plan;
    if (code === "session_taken") {
      return new BhattiError(code, `${id} was taken over by another client`, {
        cause: error,
        hint: `Reattach: bhatti attach ${sandbox} ${id}`,
      });
    }
    if (code !== "connection_lost" || !(error instanceof Error)) return error;
    return new BhattiError(code, `${error.message}; ${id} may still be running`, {
      cause: error,
      hint: `Reattach: bhatti attach ${sandbox} ${id}`,
    });
  }

  [Symbol.dispose](): void {
    this.#leave.abort(new Left());
    this.#held.dispose();
  }

  async #take(event: Exclude<SessionOutput, { type: "exit" }>): Promise<void> {
    switch (event.type) {
      case "session":
        return await this.#begin(event);
      case "lost":
        return await this.#screen.say(lostWords);
      case "regained":
        return await this.#goOn(event);
      case "stdout":
      case "stderr":
        return await this.#screen.write(event.data);
    }
  }

  async #begin(event: Extract<SessionOutput, { type: "session" }>): Promise<void> {
    const { system, timing } = this.#context;
    timing?.firstByte();
    if (event.warning) await this.#screen.say(`Warning: ${event.warning}`);
    if (event.reattached && "shell" in this.#plan.start) {
      await this.#screen.say(await describeReattached(this.#context, this.#plan.sandbox, event));
    }
    if (event.tty && this.#plan.stdin === "terminal" && system.terminal.size()) {
      this.#screen.enter();
      this.#held.use(
        forwardKeys(system.stdin, this.#session, this.#isWatching, {
          detach: () => this.#leave.abort(new Left()),
          giveUp: () => this.#leave.abort(new Left("SIGINT")),
        }),
      );
    } else if (!this.#isWatching && this.#plan.stdin !== "nothing") {
      this.#held.use(
        forwardBytes(system.stdin, this.#session, () => {
          this.#hasSentBytes = true;
        }),
      );
    }
    if (event.tty) this.#held.use(system.onSignal("SIGWINCH", () => this.#resize()));
    await this.#screen.write(new TextEncoder().encode(event.prelude ?? ""));
  }

  async #goOn({ complete, session }: Extract<SessionOutput, { type: "regained" }>): Promise<void> {
    await this.#screen.say(regainedWords(complete));
    if (session.warning) await this.#screen.say(`Warning: ${session.warning}`);
    if (complete) return;
    await this.#screen.undoModes();
    await this.#screen.write(new TextEncoder().encode(session.prelude ?? ""));
  }

  #resize(): void {
    const size = this.#isWatching ? undefined : this.#context.system.terminal.size();
    if (size) this.#session.control({ type: "resize", ...size });
  }

  #back(): string {
    const { sandbox, start } = this.#plan;
    return "shell" in start
      ? `bhatti shell ${sandbox}`
      : `bhatti attach ${sandbox} ${this.#session.id ?? start.attach}`;
  }
}
