/** Whatever went wrong below → an error that the engine promises. */
import { BhattiError, isBhattiError, messageOf } from "../../errors/bhatti-error.ts";
import { isFullDisk } from "../../host/disk-space.ts";

export function asEngineError(error: unknown): BhattiError {
  if (isSpaceError(error)) {
    return new BhattiError("disk_full", `No disk space left for the VM: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (isBhattiError(error)) return error;
  return new BhattiError("machine_failed", messageOf(error), { cause: error });
}

function isSpaceError(error: unknown): boolean {
  return isFullDisk(error) || /No space left on device/.test(messageOf(error));
}
