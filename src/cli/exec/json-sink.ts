/** The output of a command as JSON: one object at the end, or one event a line as it comes. */
import { bufferedOutputBytes, withTruncationNote } from "../../contract/exec-limits.ts";
import { type Encoded, TextEvents } from "../../contract/text-events.ts";
import type { Context } from "../context.ts";
import type { ExecSink } from "./exec-sink.ts";

export function bufferSink(context: Context): ExecSink {
  const kept: Record<"stdout" | "stderr", Uint8Array[]> = { stdout: [], stderr: [] };
  let room = bufferedOutputBytes;
  let truncated = false;
  let warning: string | undefined;
  const text = (pieces: Uint8Array[]) => Buffer.concat(pieces).toString("utf8");
  return {
    async take(event) {
      if (event.type === "stdout" || event.type === "stderr") {
        kept[event.type].push(event.data.slice(0, room));
        truncated ||= event.data.length > room;
        room = Math.max(0, room - event.data.length);
        return;
      }
      if (event.type === "session") warning = event.warning;
      if (event.type !== "exit") return;
      const { exit_code, reason, signal } = event;
      const stderr = text(kept.stderr);
      const result = {
        exit_code,
        stdout: text(kept.stdout),
        stderr: truncated ? withTruncationNote(stderr) : stderr,
        reason,
        ...(signal !== undefined && { signal }),
        ...(truncated && { truncated }),
        ...(warning && { warning }),
      };
      await context.result(result, () => "");
    },
  };
}

export function eventSink({ system }: Context): ExecSink {
  const texts = { stdout: new TextEvents(), stderr: new TextEvents() };
  const write = (event: object) => system.stdout.write(`${JSON.stringify(event)}\n`);
  const writeText = async (type: "stdout" | "stderr", encoded: Encoded | undefined) => {
    if (encoded) await write({ type, ...encoded });
  };
  return {
    async take(event) {
      if (event.type === "stdout" || event.type === "stderr") {
        await writeText(event.type, texts[event.type].next(event.data));
        return;
      }
      if (event.type === "exit") {
        await writeText("stdout", texts.stdout.rest());
        await writeText("stderr", texts.stderr.rest());
      }
      await write(event);
    },
  };
}
