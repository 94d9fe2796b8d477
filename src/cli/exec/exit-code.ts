/** The exit code of a command that ran in a sandbox. */
import type { ExecExit } from "../../client/exec-stream.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";

/** Throws machine_lost when the command's own end is unknown: an exit code would be made up. */
export function exitCodeOf(exit: Pick<ExecExit, "exit_code" | "reason">): number {
  if (exit.reason !== "lost") return exit.exit_code;
  throw new BhattiError("machine_lost", "the sandbox failed before the command ended");
}
