/** Everything that one start of a machine needs to know about it, whichever way it starts. */
import type { GuestConfiguration } from "../agent/guest.ts";
import type { Hardware } from "./machine-spec.ts";

export interface MachineConfig {
  /**
   * Number of this start: higher than that of every earlier start of the machine whose processors ran. A manifest or a
   * saved state with a lower number than the store's is out of date and never used.
   */
  epoch: number;
  hardware: Hardware;
  identity: GuestConfiguration;
  nics: NicConfig[];
  volumes: VolumeConfig[];
}

/** A network card; its index in the list is its slot. */
export interface NicConfig {
  network: NetworkConfig;
  /** Such as `52:54:00:aa:bb:cc`. */
  mac: string;
  /** IPv4, such as `10.0.1.2`. */
  address: string;
}

/** A private network of one user. */
export interface NetworkConfig {
  /** Its number among those of the host, from 1. */
  index: number;
  /** Such as `10.0.1.0/24`. */
  subnet: string;
  /** Address of the host in it, where its resolver listens too. */
  gateway: string;
}

/** A data disk; its index in the list is its slot. */
export interface VolumeConfig {
  id: string;
  /** Where the guest mounts it. */
  mount: string;
  readOnly: boolean;
}
