/** Which addresses networks and sandboxes get. Pure. */
import { formatAddress, formatRange, parseRange, type Range, sizeOf } from "./ipv4.ts";

/** Of one network: the gateway, 253 sandboxes, and two addresses that no host may have. */
export const networkPrefix = 24;
const firstHost = 2;
const lastHost = 254;
export const hostsPerNetwork = lastHost - firstHost + 1;

export interface NetworkPlan {
  /** Such as `10.208.1.0/24`. */
  subnet: string;
  /** The host's own address in it, and its resolver's. */
  gateway: string;
}

/** Indices begin with 1; undefined beyond the last network of the range. */
export function networkPlan(supernet: Range, index: number): NetworkPlan | undefined {
  const size = sizeOf({ first: 0, prefix: networkPrefix });
  if (index < 1 || (index + 1) * size > sizeOf(supernet)) return undefined;
  const first = supernet.first + index * size;
  return {
    subnet: formatRange({ first, prefix: networkPrefix }),
    gateway: formatAddress(first + 1),
  };
}

/** Hosts are numbered from 0. */
export function addressIn(subnet: string, host: number): string {
  const range = parseRange(subnet);
  if (!range) throw new Error(`${subnet} is no range`);
  return formatAddress(range.first + firstHost + host);
}
