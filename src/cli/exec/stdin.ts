/** Our stdin → the command's, at the pace at which it is taken. */
import type { ExecStream } from "../../client/exec-stream.ts";
import type { Input } from "../system.ts";

/** Runs beside the command until disposed: the end of the command never waits for the end of stdin. */
export function forwardStdin(input: Input, stream: ExecStream, onEnd: () => void): Disposable {
  const chunks = input.chunks();
  let isOver = false;
  const pump = async () => {
    try {
      for await (const chunk of chunks) await stream.writeStdin(chunk);
    } finally {
      if (!isOver) onEnd();
    }
  };
  // What can't be read has ended, and what can't be sent shows as a lost connection.
  pump().catch(() => {});
  return {
    [Symbol.dispose]() {
      isOver = true;
      chunks.cancel();
    },
  };
}
