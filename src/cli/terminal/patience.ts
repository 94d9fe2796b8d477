/** Prints a notice on a terminal when a request takes unusually long. */
import type { Context } from "../context.ts";

const patienceMs = 2000;

/** Says the line once if the work takes long; scripts and logs are not told. */
export async function sayWhenLong<T>(
  { system, flags, remark }: Context,
  line: string,
  work: Promise<T>,
): Promise<T> {
  if (flags.json) return await work;
  let isOver = false;
  const tell = async () => {
    if ((await system.terminal.isWatched()) && !isOver) await remark(line);
  };
  const timer = setTimeout(() => void tell(), patienceMs);
  try {
    return await work;
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}
