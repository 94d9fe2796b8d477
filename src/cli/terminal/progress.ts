/** Shows the progress of a transfer in one line on stderr, if it is a terminal. */
import type { Context } from "../context.ts";
import { bytesText, filesText } from "./size.ts";

export interface Progress {
  files: number;
  bytes: number;
}

export interface ShownProgress extends Progress {
  /** Takes the line away. */
  end(): Promise<void>;
}

const everyMs = 100;
const barWidth = 24;

/** `total` is asked for only when it is shown. */
export async function showProgress(
  { system, flags, remark: _ }: Context,
  total: () => Progress | undefined,
): Promise<ShownProgress> {
  const progress: ShownProgress = { files: 0, bytes: 0, end: async () => {} };
  if (flags.json || !(await system.terminal.isWatched())) return progress;
  const goal = total();
  const started = system.now();
  const show = () => {
    const seconds = (system.now() - started) / 1000;
    const line = lineOf(progress, goal, seconds);
    system.stderr.write(`\r${line}\u001b[K`).catch(() => {}); // progress is optional
  };
  const timer = setInterval(show, everyMs);
  progress.end = async () => {
    clearInterval(timer);
    await system.stderr.write("\r\u001b[K").catch(() => {});
  };
  return progress;
}

function lineOf(now: Progress, goal: Progress | undefined, seconds: number): string {
  const rate = seconds > 0.5 ? `, ${bytesText(Math.round(now.bytes / seconds))}/s` : "";
  const done = `${filesText(now.files)}, ${bytesText(now.bytes)}`;
  if (!goal) return `${done}${rate}`;
  const part = goal.bytes > 0 ? now.bytes / goal.bytes : now.files / Math.max(goal.files, 1);
  const filled = Math.round(Math.min(part, 1) * barWidth);
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  return `${bar} ${done} of ${bytesText(goal.bytes)}${rate}`;
}
