/** The identity of a sandbox's machine. */
import type { GuestConfiguration, GuestNetwork } from "../agent/guest.ts";
import type { NicConfig } from "../engine/machine-config.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import { hardwareAddressOf, machineIdOf } from "./identifiers.ts";

export function identityOf(sandbox: SandboxRecord, nic?: NicConfig): GuestConfiguration {
  const identity: GuestConfiguration = {
    hostname: hostNameOf(sandbox.name),
    machineId: machineIdOf(sandbox.id),
    mac: hardwareAddressOf(sandbox.id),
  };
  if (Object.keys(sandbox.env).length > 0) identity.env = sandbox.env;
  if (sandbox.init !== null) identity.init = sandbox.init;
  if (nic) identity.network = networkOf(nic);
  return identity;
}

/** As Ethernet has it. */
const mtu = 1500;

function networkOf({ address, network: { subnet, gateway } }: NicConfig): GuestNetwork {
  return { address, prefix: Number(subnet.split("/")[1]), gateway, resolver: gateway, mtu };
}

/** A host name has no underscores and ends with a letter or digit (RFC 1123); a sandbox's name may be freer. */
export function hostNameOf(name: string): string {
  return name.replaceAll("_", "-").replace(/[.-]+$/, "");
}
