/** The question before what can't be undone. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";

/** Returns true for y or Y. Throws confirmation_needed if stdin is not a terminal. */
export async function confirm({ system }: Context, question: string): Promise<boolean> {
  if ((await system.stdin.kind()) !== "terminal") {
    throw new BhattiError(
      "confirmation_needed",
      "confirmation required, but stdin is not a terminal",
    );
  }
  await system.stderr.write(`${question} [y/N]: `);
  const answer = await readLine(system.stdin.chunks());
  return answer === "y" || answer === "Y";
}

async function readLine(chunks: AsyncIterable<Uint8Array> & { cancel(): void }): Promise<string> {
  let line = "";
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    line += decoder.decode(chunk, { stream: true });
    if (line.includes("\n")) break;
  }
  chunks.cancel();
  return line.split("\n")[0]?.trim() ?? "";
}
