/** Our stdin → a session's: keys with ours taken out at a terminal, otherwise bytes at the pace at which they are taken. */
import type { SessionStream } from "../../client/session-stream.ts";
import type { Input } from "../system.ts";
import { readKeys } from "./keys.ts";

/** Why a person leaves. */
export interface Leaving {
  detach(): void;
  /** Ctrl+C, where it is not the session's. */
  giveUp(): void;
}

/** Typed keys, one by one. A session that looks on, or has no connection, takes none; ours work all the same. */
export function forwardKeys(
  input: Input,
  session: SessionStream,
  isWatching: boolean,
  leaving: Leaving,
): Disposable {
  const chunks = input.chunks();
  // Not waited for: a program that reads nothing must not keep the key that leaves it from being seen.
  let sent = Promise.resolve();
  const pump = async () => {
    for await (const chunk of chunks) {
      const { keys, detaches, interrupts } = readKeys(chunk);
      if (isWatching || !session.isConnected) {
        if (interrupts) leaving.giveUp();
      } else {
        sent = sent.then(() => session.writeStdin(keys)).catch(() => {});
      }
      if (detaches) leaving.detach();
    }
    leaving.detach(); // the terminal is gone
  };
  void pump().catch(() => leaving.detach());
  return { [Symbol.dispose]: () => chunks.cancel() };
}

/** Its end ends nothing: the session's stdin stays open. `sending` hears when there is something. */
export function forwardBytes(
  input: Input,
  session: SessionStream,
  sending: () => void,
): Disposable {
  const chunks = input.chunks();
  const pump = async () => {
    for await (const chunk of chunks) {
      sending();
      await session.writeStdin(chunk);
    }
  };
  // What can't be read has ended, and what can't be sent shows as a lost connection.
  pump().catch(() => {});
  return { [Symbol.dispose]: () => chunks.cancel() };
}
