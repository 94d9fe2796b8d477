/**
 * Forwards signals to the command. The second of a kind ends this client, and so does the first SIGTERM or SIGHUP when
 * the command is a session, which outlives it.
 */
import type { ExecStream } from "../../client/exec-stream.ts";
import type { Signal, System } from "../system.ts";

const forwarded: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
const detaching: readonly Signal[] = ["SIGTERM", "SIGHUP"];

/** A terminal that is stopped with Ctrl+S takes no last words. */
const lastWordsMs = 1000;

export interface SignalForwarding extends Disposable {
  /** Forwards to this command from now on. A session has `detached`, which says how to attach to it again. */
  attach(stream: ExecStream, detached?: () => Promise<void>): void;
  /** Does what SIGHUP does: the terminal is gone. */
  hangUp(): void;
  /** Restores the terminal before a signal ends this client. */
  restore: () => void;
}

/** `onEarly` is called for a signal that comes before there is a command. */
export function forwardSignals(system: System, onEarly: () => void): SignalForwarding {
  let stream: ExecStream | undefined;
  let sayDetached: (() => Promise<void>) | undefined;
  const seen = new Set<Signal>();
  const handlers = new DisposableStack();
  const end = (signal: Signal) => {
    for (const step of [onEarly, forwarding.restore, () => handlers.dispose()]) attempt(step);
    system.die(signal);
  };
  const receive = (signal: Signal) => {
    if (sayDetached && detaching.includes(signal)) {
      attempt(forwarding.restore);
      const said = sayDetached().catch(() => {}); // the terminal may be gone
      void Promise.race([said, Bun.sleep(lastWordsMs)]).then(() => end(signal));
      return;
    }
    if (stream && !seen.has(signal)) {
      seen.add(signal);
      stream.control({ type: "signal", signal: signal.slice("SIG".length) });
      return;
    }
    end(signal);
  };
  const forwarding: SignalForwarding = {
    attach(opened, detached) {
      stream = opened;
      sayDetached = detached;
    },
    hangUp: () => receive("SIGHUP"),
    restore() {},
    [Symbol.dispose]: () => handlers.dispose(),
  };
  for (const signal of forwarded) handlers.use(system.onSignal(signal, () => receive(signal)));
  return forwarding;
}

/** A step that fails must not keep the next one from being taken. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // such as that the terminal, which is gone, cannot be restored
  }
}
