/** A guest that passes every call through a gate, which its machine's faults close. */
import type { Guest } from "../../agent/guest.ts";

export type Gate = (signal: AbortSignal, call: () => unknown) => unknown;

export function gated(guest: Guest, gate: Gate): Guest {
  return behind(guest, gate);
}

function behind<T extends object>(target: T, gate: Gate): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "files") return behind(value as object, gate);
      if (typeof value !== "function" || name === "close") return value;
      return (...args: unknown[]) => gate(signalAmong(args), () => value.apply(target, args));
    },
  });
}

function signalAmong(args: unknown[]): AbortSignal {
  const signal = args.at(-1);
  if (signal instanceof AbortSignal) return signal;
  throw new TypeError("A guest's calls end with a signal");
}
