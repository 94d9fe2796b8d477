/** `bhatti file push` and `pull`: directories, and files of any size, as a tar stream. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import { toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { shrunkText } from "../files/shrunk.ts";
import type { Unreadable } from "../files/tar-reader.ts";
import { printable } from "../terminal/printable.ts";
import { bytesText, filesText } from "../terminal/size.ts";

/** Of what could not be read. */
const mostNamed = 5;
/** The kernel's reason for which root can help. */
const forbidden = "Permission denied";

const asRoot = toggle("Act as root instead of lohar");

export const pushFiles = command({
  description:
    "Copies the contents of a directory into the directory <path>, creating it if needed and keeping other files in it. " +
    "Copies a file to <path>, or into <path> if that is a directory or ends with a slash.\n" +
    "Skips unreadable files of a directory, lists them and exits 1. " +
    "Keeps modes, times, links and holes. Files belong to lohar, or with --as-root to root.",
  arguments: ["sandbox", "local", "path"],
  byteArguments: ["local", "path"],
  flags: { "as-root": asRoot },
  examples: [
    "bhatti file push dev ./src /workspace/app",
    "bhatti file push dev disk.img /workspace/",
  ],
  async run(context, { sandbox, local, path, "as-root": root }) {
    const { pushInto } = await import("../files/push.ts");
    const place = { ref: sandbox, path, ...(root && { as_root: "true" as const }) };
    const { answer, files, bytes, skipped, unreadable } = await pushInto(context, local, place);
    const told = { ...answer, ...(skipped > 0 && { skipped }) };
    await context.result(told, () => `pushed ${filesText(files)}, ${bytesText(bytes)}\n`);
    await tellSkipped(context, skipped);
    if (unreadable.length === 0) return;
    throw new BhattiError("local_io", incomplete(local, unreadable));
  },
});

export const pullFiles = command({
  description:
    "Copies the contents of a directory into the directory <local>, creating it if needed and keeping other files in it. " +
    "Copies a file to <local>, or into <local> if that is a directory or ends with a slash; - is standard output. " +
    "Writes through links, devices and FIFOs named <local>.\n" +
    "Never writes outside <local>, nor through links in it. Skips unreadable files, lists them and exits 1.\n" +
    "Keeps modes, times, links and holes, but drops set-user-ID and set-group-ID bits.",
  arguments: ["sandbox", "path", "local"],
  byteArguments: ["local", "path"],
  flags: {
    "same-permissions": toggle("Keep set-user-ID and set-group-ID bits", { short: "p" }),
    "as-root": asRoot,
  },
  examples: ["bhatti file pull dev /workspace/app ./app", "bhatti file pull dev result.csv ."],
  async run(context, { sandbox, path, local, "as-root": root, "same-permissions": keepsSetId }) {
    const { pullFrom } = await import("../files/pull.ts");
    const place = { ref: sandbox, path, ...(root && { as_root: "true" as const }) };
    const pulled = await pullFrom(context, place, local, { keepsSetId });
    const { entries, files, bytes, skipped, unreadable, shrunk, isPrinted } = pulled;
    const answer = { entries, bytes, ...(skipped > 0 && { skipped }) };
    if (!isPrinted) {
      await context.result(answer, () => `pulled ${filesText(files)}, ${bytesText(bytes)}\n`);
    }
    await tellSkipped(context, skipped);
    if (pulled.unprivileged > 0 && !context.flags.json) {
      const which = `set-user-ID and set-group-ID bits of ${filesText(pulled.unprivileged)}`;
      await context.remark(`Dropped the ${which}: keep them with -p`);
    }
    if (unreadable.length > 0) {
      const isForbidden = unreadable.some(({ reason = forbidden }) => reason === forbidden);
      const code = isForbidden ? "permission_denied" : "guest_failed";
      throw new BhattiError(code, incomplete(path, unreadable));
    }
    const [first, ...others] = shrunk;
    if (!first) return;
    const more = others.length > 0 ? ` (and ${others.length} other files)` : "";
    throw new BhattiError("file_changed", `${first.name}: ${shrunkText(first)}${more}`);
  },
});

function incomplete(path: string, unreadable: Unreadable[]): string {
  const named = ({ name, reason = forbidden }: Unreadable) =>
    `${printable(name)} (${printable(reason)})`;
  const first = unreadable.slice(0, mostNamed).map(named).join(", ");
  const more = unreadable.length > mostNamed ? ", …" : "";
  const count = unreadable.length === 1 ? "1 entry" : `${unreadable.length} entries`;
  return `cannot read ${count} of ${path}, copied the others: ${first}${more}`;
}

async function tellSkipped({ remark, flags }: Context, skipped: number): Promise<void> {
  if (skipped > 0 && !flags.json) {
    await remark(`Skipped ${skipped} special files (devices, sockets, FIFOs)`);
  }
}
