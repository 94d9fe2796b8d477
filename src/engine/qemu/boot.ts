/** A cold boot: from nothing to a guest that answers. */
import type { Guest } from "../../agent/guest.ts";
import { connectGuest } from "../../agent/lohar.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import { type CommandLine, qemuArguments } from "./command-line.ts";
import { consoleTail } from "./console.ts";
import { deadlineMs } from "./deadlines.ts";
import { launchQemu, quitQemu, type Vmm } from "./launcher.ts";

/** Errors: guest_unresponsive with the console's end, machine_failed, host_unfit. On failure nothing runs. */
export async function bootGuest(
  line: CommandLine,
  { log, pidFile }: { log: string; pidFile: string },
  signal: AbortSignal,
): Promise<{ vmm: Vmm; guest: Guest }> {
  const vmm = await launchQemu(
    { arguments: qemuArguments(line), qmpSocket: line.qmpSocket, log, pidFile },
    signal,
  );
  try {
    return {
      vmm,
      guest: await connectGuest(line.agentSocket, { signal, timeoutMs: deadlineMs.boot }),
    };
  } catch (cause) {
    const tail = await consoleTail(vmm.qmp);
    await quitQemu(vmm);
    if (signal.aborted) throw cause;
    throw new BhattiError(
      "guest_unresponsive",
      `The guest did not boot: ${messageOf(cause)}. ${tail}`,
      // Nothing runs: there is no memory to discard.
      { cause, hint: "Try again" },
    );
  }
}
