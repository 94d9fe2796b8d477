/**
 * The part of QEMU's arguments that a guest can see. A saved state loads only into a machine that looks the same to its
 * guest; back ends, paths, buffer sizes and confinement may differ.
 */

/** `whole`: the guest sees the value; `device`: all of it but the references to back ends; `presence`: only whether it is present. */
type Visibility = "whole" | "device" | "presence" | "none";

/** Every option that `qemuArguments` may use: a new one has to be classified here. */
export const visibilityOf: Readonly<Record<string, Visibility>> = {
  "-nodefaults": "presence",
  "-no-user-config": "presence",
  "-machine": "whole",
  "-cpu": "whole",
  "-smp": "whole",
  "-m": "whole",
  "-device": "device",
  "-serial": "presence",
  // The accelerator is a part of the fingerprint of its own.
  "-accel": "none",
  "-display": "none",
  "-no-reboot": "none",
  "-action": "none",
  "-object": "none",
  "-chardev": "none",
  "-mon": "none",
  "-blockdev": "none",
  "-netdev": "none",
  "-sandbox": "none",
  // A guest that is saved has read its kernel and command line already; golden snapshots depend on them.
  "-kernel": "none",
  "-initrd": "none",
  "-append": "none",
  "-S": "none",
  "-incoming": "none",
};

/** Properties of a device that name something on the host's side. */
const references = new Set(["id", "drive", "netdev", "chardev", "rng"]);

/** The options that the guest sees, in order: the order of devices is visible too. */
export function guestView(words: readonly string[]): string[] {
  return optionsIn(words).flatMap(({ flag, value }): string[] => {
    switch (visibilityOf[flag]) {
      case "whole":
        return [`${flag} ${value}`];
      case "device":
        return [`${flag} ${withoutReferences(value)}`];
      case "presence":
        return [flag];
      case "none":
        return [];
      default:
        throw new Error(`QEMU's option ${flag} is not classified in guest-view.ts`);
    }
  });
}

function optionsIn(words: readonly string[]): { flag: string; value: string }[] {
  const options: { flag: string; value: string }[] = [];
  for (const word of words) {
    const last = options.at(-1);
    if (word.startsWith("-") || !last) options.push({ flag: word, value: "" });
    else last.value = word;
  }
  return options;
}

function withoutReferences(device: string): string {
  return device
    .split(",")
    .filter((property) => !references.has(property.split("=")[0] ?? ""))
    .join(",");
}
