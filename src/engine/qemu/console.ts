/** The guest's console: kept by QEMU in memory, at most 64 KB of it. */
import { within } from "../../async/deadline.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import { deadlineMs } from "./deadlines.ts";
import type { Qmp } from "./qmp/qmp.ts";

const tailCharacters = 4096;

/** What the guest last wrote, as a sentence for an error message. Reading takes it out of QEMU's memory. */
export async function consoleTail(qmp: Qmp): Promise<string> {
  try {
    const text = await within(deadlineMs.console, "Reading the console", undefined, (signal) =>
      qmp.execute("ringbuf-read", { device: "console", size: 65_536, format: "utf8" }, signal),
    );
    const tail = String(text).slice(-tailCharacters).trim();
    return tail ? `The console ends with:\n${tail}` : "The console is empty";
  } catch (error) {
    return `Cannot read the console (${messageOf(error)})`;
  }
}

/** The reason in a kernel panic's first line; undefined if the console shows no panic. */
export function panicReason(console: string): string | undefined {
  const found =
    /Kernel panic - not syncing: *(.*)/.exec(console) ?? /Kernel panic(.*)/.exec(console);
  return found ? found[1]?.trim() || "no reason given" : undefined;
}
