/**
 * Signals that reach us go to the command; the second of a kind is for us. So is the first that only ends us, when the
 * command is one that goes on without us.
 */
import type { ExecStream } from "../../client/exec-stream.ts";
import type { Signal, System } from "../system.ts";

const forwarded: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
/** What a window that is closed and a program that is done with us send. */
const partings: readonly Signal[] = ["SIGTERM", "SIGHUP"];

export interface SignalForwarding extends Disposable {
  /** From now on there is a command to tell. `part` says a last word about one that goes on without us. */
  attach(stream: ExecStream, part?: () => Promise<void>): void;
  /** Puts the terminal back before a signal ends us. */
  restore: () => void;
}

/** `onEarly` hears of a signal that comes before there is a command. */
export function forwardSignals(system: System, onEarly: () => void): SignalForwarding {
  let stream: ExecStream | undefined;
  let parting: (() => Promise<void>) | undefined;
  const seen = new Set<Signal>();
  const handlers = new DisposableStack();
  const forwarding: SignalForwarding = {
    attach(opened, part) {
      stream = opened;
      parting = part;
    },
    restore() {},
    [Symbol.dispose]: () => handlers.dispose(),
  };
  const end = (signal: Signal) => {
    onEarly();
    forwarding.restore();
    handlers.dispose();
    system.die(signal);
  };
  const receive = (signal: Signal) => {
    if (parting && partings.includes(signal)) {
      forwarding.restore();
      void parting().finally(() => end(signal));
      return;
    }
    if (stream && !seen.has(signal)) {
      seen.add(signal);
      stream.control({ type: "signal", signal: signal.slice("SIG".length) });
      return;
    }
    end(signal);
  };
  for (const signal of forwarded) handlers.use(system.onSignal(signal, () => receive(signal)));
  return forwarding;
}
