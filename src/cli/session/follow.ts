/** Connects a session to our terminal or pipes, until it ends, the user detaches, or its daemon stays unreachable. */
import type { SessionEvent } from "../../client/exec-stream.ts";
import { DaemonError } from "../../client/failure.ts";
import { type SessionOutput, SessionStream } from "../../client/session-stream.ts";
import type { AttachStart, ExecStart, ShellStart } from "../../contract/exec.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { exitCodeOf } from "../exec/exit-code.ts";
import { forwardSignals, type SignalForwarding } from "../exec/signals.ts";
import { unusualEnd } from "../exec/sink.ts";
import { OutputClosed, type Signal, type StdinKind } from "../system.ts";
import { lostWords, regainedWords } from "./connection-words.ts";
import { describeReattached } from "./reattached.ts";
import { Screen } from "./screen.ts";
import { forwardBytes, forwardKeys, type KeyMode } from "./session-input.ts";

interface SessionPlan {
  sandbox: string;
  /** An `ExecStart` gets all keys and, as a local command would, signals and the end of stdin. */
  start: ShellStart | AttachStart | ExecStart;
  stdin: StdinKind;
  /** The end of stdin is sent first. */
  atEnd?: boolean;
}

/** The user has detached; the session keeps running. */
class Left extends Error {
  readonly signal: Signal | undefined;

  constructor(signal?: Signal) {
    super("left");
    this.signal = signal;
  }
}

const lastWordsMs = 1000;
const detachingSignals: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** Returns the exit code of the session, or 0 when the user detached. */
export async function followSession(context: Context, plan: SessionPlan): Promise<number> {
  const leave = new AbortController();
  const screen = new Screen(context);
  const forwarding =
    "cmd" in plan.start
      ? forwardSignals(
          context.system,
          () => leave.abort(new Left()),
          () => screen.restore(),
        )
      : undefined;
  using signals = forwarding ?? detachOnSignals(context, screen, leave);
  const client = await context.client();
  const follower = new Follower({ context, plan, screen, leave, forwarding, client });
  let midway = true;
  try {
    const exitCode = await follower.run();
    midway = false;
    return exitCode;
  } catch (error) {
    if (!(error instanceof Left)) throw follower.explained(error);
    await screen.leave(true);
    signals[Symbol.dispose]();
    return await follower.left(error.signal);
  } finally {
    follower[Symbol.dispose]();
    await screen.leave(midway);
    context.timing?.end();
  }
}

/** Every signal detaches, then ends this client. */
function detachOnSignals({ system }: Context, screen: Screen, leave: AbortController): Disposable {
  const handlers = new DisposableStack();
  const detach = (signal: Signal) => {
    leave.abort(new Left(signal));
    const die = () => {
      screen.restore();
      handlers.dispose();
      system.die(signal);
    };
    setTimeout(die, lastWordsMs).unref(); // output that is not taken must not keep this client
  };
  for (const signal of detachingSignals) {
    handlers.use(system.onSignal(signal, () => detach(signal)));
  }
  return handlers;
}

interface FollowerOptions {
  context: Context;
  plan: SessionPlan;
  screen: Screen;
  leave: AbortController;
  /** Present for a command. */
  forwarding: SignalForwarding | undefined;
  client: Awaited<ReturnType<Context["client"]>>;
}

class Follower implements Disposable {
  readonly #options: FollowerOptions;
  readonly #session: SessionStream;
  readonly #held = new DisposableStack();
  readonly #mode: KeyMode;
  #hasSentBytes = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const { client, context, leave, plan } = options;
    this.#mode = modeOf(plan);
    this.#session = new SessionStream({
      client,
      ref: plan.sandbox,
      start: plan.start,
      size: () => context.system.terminal.size(),
      signal: leave.signal,
      // Bytes that were under way when the connection was lost may or may not have arrived.
      mayReconnect: () => !this.#hasSentBytes,
    });
  }

  async run(): Promise<number> {
    const { leave, screen } = this.#options;
    for await (const event of this.#session.events()) {
      leave.signal.throwIfAborted();
      if (event.type === "exit") {
        const why = unusualEnd(event);
        if (why) await screen.say(why);
        return exitCodeOf(event);
      }
      await this.#take(event);
    }
    throw new BhattiError(
      "connection_lost",
      "the connection closed before the session's exit code arrived",
    );
  }

  /** Says how to attach again; a signal then ends this client as it would have. */
  async left(signal: Signal | undefined): Promise<number> {
    if (signal !== "SIGHUP") await this.#sayDetached();
    if (signal && signal !== "SIGQUIT") this.#options.context.system.die(signal);
    return 0;
  }

  /** The error with a hint that names the sandbox and the session. */
  explained(error: unknown): unknown {
    const { id } = this.#session;
    if (!id) return error;
    const code = error instanceof DaemonError || isBhattiError(error) ? error.code : undefined;
    const hint = `Reattach: bhatti attach ${this.#options.plan.sandbox} ${id}`;
    if (code === "session_taken") {
      const message = `${id} was taken over by another client`;
      return new BhattiError(code, message, { cause: error, hint });
    }
    if (code !== "connection_lost" || !(error instanceof Error)) return error;
    const message = `${error.message}; ${id} may still be running`;
    return new BhattiError(code, message, { cause: error, hint });
  }

  [Symbol.dispose](): void {
    this.#options.leave.abort(new Left());
    this.#held.dispose();
  }

  async #take(event: Exclude<SessionOutput, { type: "exit" }>): Promise<void> {
    const { screen } = this.#options;
    switch (event.type) {
      case "session":
        return await this.#begin(event);
      case "lost":
        return await screen.say(lostWords);
      case "regained":
        return await this.#goOn(event);
      case "stdout":
      case "stderr":
        return await screen.write(event.data).catch((error: unknown) => {
          // As the kernel does to a local program that writes to a closed pipe.
          const isOurs = this.#mode === "command" && error instanceof OutputClosed;
          if (isOurs) this.#session.control({ type: "signal", signal: "PIPE" });
          throw error;
        });
    }
  }

  async #begin(event: SessionEvent): Promise<void> {
    const { context, forwarding, plan, screen } = this.#options;
    const { start } = plan;
    context.timing?.firstByte();
    context.names.set("session", event.session_id);
    forwarding?.attach(this.#session, () => this.#sayDetached());
    if ("cmd" in start && start.session) await screen.say(`session ${event.session_id}`);
    if (event.warning) await screen.say(`Warning: ${event.warning}`);
    if (event.reattached && "shell" in start) {
      await screen.say(await describeReattached(context, plan.sandbox, event));
    }
    if (plan.atEnd) this.#session.control({ type: "stdin_end" });
    this.#forwardInput(event);
    if (event.tty) this.#held.use(context.system.onSignal("SIGWINCH", () => this.#resize()));
    await screen.write(new TextEncoder().encode(event.prelude ?? ""));
  }

  #forwardInput({ tty }: SessionEvent): void {
    const { context, leave, plan, screen } = this.#options;
    const { stdin } = context.system;
    if (tty && plan.stdin === "terminal") {
      screen.enter();
      const keys = {
        detach: () => leave.abort(new Left()),
        giveUp: () => leave.abort(new Left("SIGINT")),
      };
      this.#held.use(forwardKeys(stdin, this.#session, this.#mode, keys));
    } else if (this.#mode !== "watch" && plan.stdin !== "nothing") {
      const bytes = () => {
        this.#hasSentBytes = true;
      };
      // The stdin of a session stays open for the next client.
      const closes = "cmd" in plan.start && !plan.start.session;
      const end = () => closes && this.#session.control({ type: "stdin_end" });
      this.#held.use(forwardBytes(stdin, this.#session, { bytes, end }));
    }
  }

  async #goOn({ complete, session }: Extract<SessionOutput, { type: "regained" }>): Promise<void> {
    const { screen } = this.#options;
    await screen.say(regainedWords(complete));
    if (session.warning) await screen.say(`Warning: ${session.warning}`);
    if (complete) return;
    await screen.undoModes();
    await screen.write(new TextEncoder().encode(session.prelude ?? ""));
  }

  #sayDetached(): Promise<void> {
    const { context, plan } = this.#options;
    const { id } = this.#session;
    const { sandbox, start } = plan;
    const back = "shell" in start ? `shell ${sandbox}` : `attach ${sandbox} ${id}`;
    return context.remark(`detached from ${id ?? "the sandbox"}. Reattach: bhatti ${back}`);
  }

  #resize(): void {
    const size = this.#mode !== "watch" && this.#options.context.system.terminal.size();
    if (size) this.#session.control({ type: "resize", ...size });
  }
}

function modeOf({ start }: SessionPlan): KeyMode {
  if ("cmd" in start) return "command";
  return "attach" in start && start.mode === "watch" ? "watch" : "control";
}
