/** The question before what can't be undone. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";

/** Only y or Y agrees. Throws confirmation_needed when nobody can be asked. */
export async function confirm({ system }: Context, question: string): Promise<boolean> {
  if ((await system.stdin.kind()) !== "terminal") {
    throw new BhattiError(
      "confirmation_needed",
      "this needs a confirmation, and stdin is not a terminal to ask on",
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
