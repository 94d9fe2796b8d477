/** Runs a command for several names, as docker does. */
import type { Context } from "./context.ts";
import { failureFor } from "./failure.ts";
import { OutputClosed } from "./system.ts";

export interface Shown {
  /** For --json. */
  value: unknown;
  text: string;
}

/**
 * Does the work for each name in turn and continues after failures; the exit code is 1 if one failed. `word` is the placeholder
 * for a name in hints. With --json, prints several results as one array.
 */
export async function forEach(
  context: Context,
  { word, names }: { word: string; names: readonly string[] },
  work: (name: string) => Promise<Shown>,
): Promise<number> {
  const isAlone = names.length === 1;
  const values: unknown[] = [];
  let exitCode = 0;
  for (const name of names) {
    context.names.set(word, name);
    try {
      const { value, text } = await work(name);
      values.push(value);
      if (isAlone || !context.flags.json) await context.result(value, () => text);
    } catch (error) {
      if (isAlone || error instanceof OutputClosed) throw error;
      exitCode = 1;
      const { text } = failureFor(error, context.flags.json, context.names, name);
      await context.remark(text.trimEnd());
    }
  }
  if (!isAlone && context.flags.json) await context.result(values, () => "");
  return exitCode;
}

/** `sandbox "a"`, or `sandboxes "a", "b"`. */
export function named(one: string, many: string, names: readonly string[]): string {
  return `${names.length === 1 ? one : many} ${names.map((name) => `"${name}"`).join(", ")}`;
}
