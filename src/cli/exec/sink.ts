/** Where the output of a command goes: to our own streams, into one JSON object, or out as JSON events. */
import type { ExecExit } from "../../client/exec-stream.ts";
import type { Context } from "../context.ts";
import type { ExecSink } from "./exec-sink.ts";

export async function openSink(context: Context, streamed: boolean): Promise<ExecSink> {
  if (!context.flags.json) return rawSink(context);
  const { bufferSink, eventSink } = await import("./json-sink.ts");
  return streamed ? eventSink(context) : bufferSink(context);
}

function rawSink({ system, remark }: Context): ExecSink {
  return {
    async take(event) {
      if (event.type === "stdout") await system.stdout.write(event.data);
      else if (event.type === "stderr") await system.stderr.write(event.data);
      else if (event.type === "session") {
        if (event.warning) await remark(`Warning: ${event.warning}`);
      } else if (event.type === "exit") {
        const why = unusualEnd(event);
        if (why) await remark(why);
      }
    },
  };
}

/** What the exit code alone does not tell. */
export function unusualEnd({ reason }: ExecExit): string | undefined {
  if (reason === "timeout")
    return "bhatti: command timed out and was killed; raise the limit with exec --timeout";
  return reason === "oom" ? "bhatti: command killed: out of memory" : undefined;
}
