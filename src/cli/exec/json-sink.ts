/** The output of a command as JSON: one object at the end, or one event a line as it comes. */
import type { Context } from "../context.ts";
import type { ExecSink } from "./exec-sink.ts";

/** As the daemon's own buffered answer. */
const mostBuffered = 10 * 1024 * 1024;

export function bufferSink(context: Context): ExecSink {
  const kept: Record<"stdout" | "stderr", Uint8Array[]> = { stdout: [], stderr: [] };
  let room = mostBuffered;
  let truncated = false;
  const text = (pieces: Uint8Array[]) => Buffer.concat(pieces).toString("utf8");
  return {
    async take(event) {
      if (event.type === "stdout" || event.type === "stderr") {
        kept[event.type].push(event.data.slice(0, room));
        truncated ||= event.data.length > room;
        room = Math.max(0, room - event.data.length);
        return;
      }
      if (event.type !== "exit") return;
      const { exit_code, reason, signal } = event;
      const result = {
        exit_code,
        stdout: text(kept.stdout),
        stderr: text(kept.stderr),
        reason,
        ...(signal !== undefined && { signal }),
        ...(truncated && { truncated }),
      };
      await context.result(result, () => "");
    },
  };
}

export function eventSink({ system }: Context): ExecSink {
  const encoders = { stdout: new ChunkEncoder(), stderr: new ChunkEncoder() };
  const write = (event: object) => system.stdout.write(`${JSON.stringify(event)}\n`);
  return {
    async take(event) {
      if (event.type === "stdout" || event.type === "stderr") {
        const { type, data } = event;
        for (const encoded of encoders[type].encode(data)) await write({ type, ...encoded });
        return;
      }
      for (const type of event.type === "exit" ? (["stdout", "stderr"] as const) : []) {
        for (const encoded of encoders[type].end()) await write({ type, ...encoded });
      }
      await write(event);
    },
  };
}

type Encoded = { data: string; encoding?: "base64" };

/** Bytes → text where they are UTF-8, else base64; a character that a chunk cuts in two waits for the next. */
class ChunkEncoder {
  #held = new Uint8Array(0);

  encode(chunk: Uint8Array): Encoded[] {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const whole = bytes.length - cutCharacter(bytes);
    this.#held = bytes.slice(whole);
    return encodeWhole(bytes.subarray(0, whole));
  }

  end(): Encoded[] {
    return encodeWhole(this.#held);
  }
}

function encodeWhole(bytes: Uint8Array): Encoded[] {
  if (bytes.length === 0) return [];
  try {
    return [{ data: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) }];
  } catch {
    return [{ data: bytes.toBase64(), encoding: "base64" }];
  }
}

/** How many bytes at the end begin a character that is not complete. */
function cutCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue; // inside a character: its first byte is further back
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
