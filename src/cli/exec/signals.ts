/** Signals that reach us go to the command; the second of a kind is for us. */
import type { ExecStream } from "../../client/exec-stream.ts";
import type { Signal, System } from "../system.ts";

const forwarded: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

export interface SignalForwarding extends Disposable {
  /** From now on there is a command to tell. */
  attach(stream: ExecStream): void;
  /** Puts the terminal back before a signal ends us. */
  restore: () => void;
}

/** `onEarly` hears of a signal that comes before there is a command. */
export function forwardSignals(system: System, onEarly: () => void): SignalForwarding {
  let stream: ExecStream | undefined;
  const seen = new Set<Signal>();
  const handlers = new DisposableStack();
  const forwarding: SignalForwarding = {
    attach(opened) {
      stream = opened;
    },
    restore() {},
    [Symbol.dispose]: () => handlers.dispose(),
  };
  const receive = (signal: Signal) => {
    if (stream && !seen.has(signal)) {
      seen.add(signal);
      stream.control({ type: "signal", signal: signal.slice("SIG".length) });
      return;
    }
    onEarly();
    forwarding.restore();
    handlers.dispose();
    system.die(signal);
  };
  for (const signal of forwarded) handlers.use(system.onSignal(signal, () => receive(signal)));
  return forwarding;
}
