/** `bhatti file push` and `pull`: directories, and files of any size, as a tar stream. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import { toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { printable } from "../terminal/printable.ts";
import { bytesText, filesText } from "../terminal/size.ts";

/** Of what could not be read. */
const mostNamed = 5;

const asRoot = toggle("With root's rights instead of the user's");

export const pushFiles = command({
  description:
    "What is in the directory <local> gets into the directory <path>, which is made when it lacks; what is there besides\n" +
    "stays. A file becomes the file <path>, or goes into <path> when that is a directory or ends with a slash.\n" +
    "Modes, times and links are kept, owners are not: all belongs to the sandbox's user.",
  arguments: ["sandbox", "local", "path"],
  flags: { "as-root": asRoot },
  examples: [
    "bhatti file push dev ./src /workspace/app",
    "bhatti file push dev disk.img /workspace/",
  ],
  async run(context, { sandbox, local, path, "as-root": root }) {
    const { pushInto } = await import("../files/push.ts");
    const place = { ref: sandbox, path, ...(root && { as_root: "true" as const }) };
    const { answer, files, bytes, skipped } = await pushInto(context, local, place);
    const told = { ...answer, ...(skipped > 0 && { skipped }) };
    await context.result(told, () => `pushed ${filesText(files)}, ${bytesText(bytes)}\n`);
    await tellSkipped(context, skipped);
  },
});

export const pullFiles = command({
  description:
    "What is in the directory <path> gets into the directory <local>, which is made when it lacks; what is there besides\n" +
    "stays. A file becomes the file <local>, or goes into <local> when that is a directory or ends with a slash.\n" +
    "Nothing is written outside of <local>, and no link in it is followed. What may not be read there is named in the end,\n" +
    "and makes this fail; the rest is pulled.",
  arguments: ["sandbox", "path", "local"],
  flags: { "as-root": asRoot },
  examples: ["bhatti file pull dev /workspace/app ./app", "bhatti file pull dev result.csv ."],
  async run(context, { sandbox, path, local, "as-root": root }) {
    const { pullFrom } = await import("../files/pull.ts");
    const place = { ref: sandbox, path, ...(root && { as_root: "true" as const }) };
    const { entries, files, bytes, skipped, unreadable } = await pullFrom(context, place, local);
    const answer = { entries, bytes, ...(skipped > 0 && { skipped }) };
    await context.result(answer, () => `pulled ${filesText(files)}, ${bytesText(bytes)}\n`);
    await tellSkipped(context, skipped);
    if (unreadable.length > 0) throw incomplete(path, unreadable);
  },
});

function incomplete(path: string, names: string[]): BhattiError {
  const first = names.slice(0, mostNamed).map(printable).join(", ");
  const more = names.length > mostNamed ? " and others" : "";
  return new BhattiError(
    "permission_denied",
    `${names.length} in ${path} cannot be read, the rest is here: ${first}${more}`,
  );
}

async function tellSkipped({ remark, flags }: Context, skipped: number): Promise<void> {
  if (skipped > 0 && !flags.json) {
    await remark(`Skipped ${skipped} that are neither files nor directories nor links`);
  }
}
