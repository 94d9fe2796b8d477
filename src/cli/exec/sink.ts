/** Where the output of a command goes: to our own streams, into one JSON object, or out as JSON events. */
import type { ExecExit } from "../../client/exec-stream.ts";
import type { Context } from "../context.ts";
import { withNames } from "../names.ts";
import type { ExecSink } from "./exec-sink.ts";

export async function openSink(
  context: Context,
  streamed: boolean,
  cmd: readonly string[] = [],
): Promise<ExecSink> {
  if (!context.flags.json) return rawSink(context, cmd);
  const { bufferSink, eventSink } = await import("./json-sink.ts");
  return streamed ? eventSink(context) : bufferSink(context);
}

function rawSink({ system, remark, names }: Context, cmd: readonly string[]): ExecSink {
  return {
    async take(event) {
      if (event.type === "stdout") await system.stdout.write(event.data);
      else if (event.type === "stderr") await system.stderr.write(event.data);
      else if (event.type === "session") {
        if (event.warning) await remark(`Warning: ${event.warning}`);
      } else if (event.type === "exit") {
        const note = unusualEnd(event) ?? shellHint(event, cmd);
        if (note) await remark(withNames(note, names));
      }
    },
  };
}

const notFound = 127;

/** For a single argument with several words, which ssh would give to a shell. */
function shellHint({ exit_code }: ExecExit, [line = "", ...more]: readonly string[]) {
  if (exit_code !== notFound || more.length > 0 || !/\s/.test(line.trim())) return undefined;
  return "For shell syntax, use: bhatti exec <sandbox> -- sh -c '...'";
}

/** What the exit code alone does not tell. */
export function unusualEnd({ reason }: ExecExit): string | undefined {
  if (reason === "timeout")
    return "bhatti: command timed out and was killed; raise the limit with exec --timeout";
  return reason === "oom" ? "bhatti: command killed: out of memory" : undefined;
}
