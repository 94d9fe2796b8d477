/** Network interfaces of the host, by iproute2. */
import { readFileSync } from "node:fs";
import { run } from "../host/process.ts";

/** The kernel answers these programs in milliseconds. */
export const toolMs = 10_000;

/** Runs commands of `ip`, such as `link set x up`, in one process. Throws CommandError. */
export async function ip(...commands: string[]): Promise<void> {
  const script = 'printf "%s\\n" "$@" | ip -batch -';
  await run(["sh", "-c", script, "ip", ...commands], { signal: AbortSignal.timeout(toolMs) });
}

/** Names of the interfaces that begin with `prefix`. */
export async function linksNamed(prefix: string): Promise<string[]> {
  const { stdout } = await run(["ip", "-json", "link", "show"]);
  const links = JSON.parse(stdout) as { ifname: string }[];
  return links.map(({ ifname }) => ifname).filter((name) => name.startsWith(prefix));
}

/** Destinations of the host's IPv4 routes, such as `10.0.0.0/8`; the default route is left out. */
export async function routes(): Promise<{ range: string; link: string }[]> {
  const { stdout } = await run(["ip", "-json", "-4", "route", "show", "table", "all"]);
  const found = JSON.parse(stdout) as { dst: string; dev?: string; type?: string }[];
  return found
    .filter(({ dst }) => dst !== "default")
    .map(({ dst, dev = "" }) => ({ range: dst.includes("/") ? dst : `${dst}/32`, link: dev }));
}

/** In the network namespace of this process, which /sys may not show. */
export function linkExists(name: string): boolean {
  return readFileSync("/proc/self/net/dev", "utf8").includes(`${name}:`);
}
