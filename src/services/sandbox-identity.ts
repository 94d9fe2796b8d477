/** The identity of a sandbox's machine. */
import type { GuestConfiguration } from "../agent/guest.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import { hardwareAddressOf, machineIdOf } from "./identifiers.ts";

export function identityOf(sandbox: SandboxRecord): GuestConfiguration {
  const identity: GuestConfiguration = {
    hostname: hostNameOf(sandbox.name),
    machineId: machineIdOf(sandbox.id),
    mac: hardwareAddressOf(sandbox.id),
  };
  if (Object.keys(sandbox.env).length > 0) identity.env = sandbox.env;
  if (sandbox.init !== null) identity.init = sandbox.init;
  return identity;
}

/** A host name has no underscores and ends with a letter or digit (RFC 1123); a sandbox's name may be freer. */
export function hostNameOf(name: string): string {
  return name.replaceAll("_", "-").replace(/[.-]+$/, "");
}
