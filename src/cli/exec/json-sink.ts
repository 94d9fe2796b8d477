/** The output of a command as JSON: one object at the end, or one event a line as it comes. */
import { bufferedOutputBytes, truncationNote } from "../../contract/exec-limits.ts";
import { type Encoded, isText, TextEvents } from "../../contract/text-events.ts";
import type { Context } from "../context.ts";
import type { ExecSink } from "./exec-sink.ts";

export function bufferSink(context: Context): ExecSink {
  const kept: Record<"stdout" | "stderr", Uint8Array[]> = { stdout: [], stderr: [] };
  let room = bufferedOutputBytes;
  let truncated = false;
  let warning: string | undefined;
  const encode = (pieces: Uint8Array[], isUnicode: boolean, note = "") => {
    if (!isUnicode) return Buffer.concat([...pieces, Buffer.from(note)]).toBase64();
    // A stream decoder leaves out a character that the truncation has cut.
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    return utf8.decode(Buffer.concat(pieces), { stream: truncated }) + note;
  };
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
      const { stdout, stderr } = kept;
      const last = stderr.at(-1)?.at(-1);
      const note = truncated ? truncationNote(bufferedOutputBytes, last) : "";
      const isUnicode = isText(stdout, truncated) && isText(stderr, truncated);
      const result = {
        exit_code,
        stdout: encode(stdout, isUnicode),
        stderr: encode(stderr, isUnicode, note),
        ...(!isUnicode && { encoding: "base64" }),
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
