/**
 * Forwards signals to the command. The second of a kind ends this client, and so does the first SIGTERM or SIGHUP when
 * the command is a session, which outlives it.
 */
import type { ExecControl } from "../../contract/exec.ts";
import type { Signal, System } from "../system.ts";

const forwarded: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
const detaching: readonly Signal[] = ["SIGTERM", "SIGHUP"];

/** A terminal that is stopped with Ctrl+S takes no last words. */
const lastWordsMs = 1000;

interface SignalTarget {
  /** Without a connection a signal ends this client. */
  readonly isConnected: boolean;
  control(message: ExecControl): void;
}

export interface SignalForwarding extends Disposable {
  /** Forwards to this command from now on. A session has `detached`, which says how to attach to it again. */
  attach(command: SignalTarget, detached?: () => Promise<void>): void;
}

/**
 * Calls `restore`, which restores the terminal, before a signal ends this client. Calls `onEarly` for a signal that
 * comes before there is a command.
 */
export function forwardSignals(
  system: System,
  onEarly: () => void,
  restore: () => void = () => {},
): SignalForwarding {
  let command: SignalTarget | undefined;
  let sayDetached: (() => Promise<void>) | undefined;
  const seen = new Set<Signal>();
  const handlers = new DisposableStack();
  const end = (signal: Signal) => {
    for (const step of [onEarly, restore, () => handlers.dispose()]) attempt(step);
    system.die(signal);
  };
  const receive = (signal: Signal) => {
    const forwards = command?.isConnected && !seen.has(signal);
    if (sayDetached && (detaching.includes(signal) || !command?.isConnected)) {
      attempt(restore);
      const said = sayDetached().catch(() => {}); // the terminal may be gone
      void Promise.race([said, Bun.sleep(lastWordsMs)]).then(() => end(signal));
      return;
    }
    if (!forwards) return end(signal);
    seen.add(signal);
    command?.control({ type: "signal", signal: signal.slice("SIG".length) });
  };
  for (const signal of forwarded) handlers.use(system.onSignal(signal, () => receive(signal)));
  return {
    attach(attached, detached) {
      command = attached;
      sayDetached = detached;
    },
    [Symbol.dispose]: () => handlers.dispose(),
  };
}

/** A step that fails must not keep the next one from being taken. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // such as that the terminal, which is gone, cannot be restored
  }
}
