/** Our stdin → a session's: keys with ours taken out at a terminal, otherwise bytes at the pace at which they are taken. */
import type { SessionStream } from "../../client/session-stream.ts";
import type { Input } from "../system.ts";
import { readKeys, type Typed } from "./keys.ts";

/** Why a person leaves. */
export interface Leaving {
  detach(): void;
  /** Ctrl+C, where it is not the session's. */
  giveUp(): void;
}

/** Which keys go to the session: none, all but those that detach, or all. */
export type KeyMode = "watch" | "control" | "command";

/** Forwards typed keys one by one. Without a connection Ctrl+C and Ctrl+\ are ours in every mode. */
export function forwardKeys(
  input: Input,
  session: SessionStream,
  mode: KeyMode,
  leaving: Leaving,
): Disposable {
  const chunks = input.chunks();
  // Not waited for: a program that reads nothing must not keep the key that leaves it from being seen.
  let sent = Promise.resolve();
  const read = (typed: Uint8Array, forwards: boolean): Typed =>
    forwards && mode === "command"
      ? { keys: typed, detaches: false, interrupts: false }
      : readKeys(typed);
  const pump = async () => {
    for await (const chunk of chunks) {
      const forwards = mode !== "watch" && session.isConnected;
      const { keys, detaches, interrupts } = read(chunk, forwards);
      if (forwards) sent = sent.then(() => session.writeStdin(keys)).catch(() => {});
      else if (interrupts) leaving.giveUp();
      if (detaches) leaving.detach();
    }
    leaving.detach(); // the terminal is gone
  };
  void pump().catch(() => leaving.detach());
  return { [Symbol.dispose]: () => chunks.cancel() };
}

/** Forwards bytes. Calls `bytes` before it sends some, `end` at the end of our stdin. */
export function forwardBytes(
  input: Input,
  session: SessionStream,
  on: { bytes(): void; end(): void },
): Disposable {
  const chunks = input.chunks();
  const pump = async () => {
    for await (const chunk of chunks) {
      on.bytes();
      await session.writeStdin(chunk);
    }
    on.end();
  };
  // What can't be read has ended, and what can't be sent shows as a lost connection.
  pump().catch(() => {});
  return { [Symbol.dispose]: () => chunks.cancel() };
}
