/** The range from which all private networks are taken. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { overlap, parseRange, type Range } from "./ipv4.ts";
import { routes } from "./links.ts";

/** Clear of the ranges that Docker, Kubernetes and clouds use by default. */
const candidates = ["10.208.0.0/12", "172.28.0.0/14", "192.168.128.0/17", "10.128.0.0/12"];

export interface SupernetChoice {
  /** From the configuration. */
  configured: string | undefined;
  /** Chosen by an earlier start. */
  kept: string | undefined;
  /** Interfaces of this host's own networks begin with it. */
  linkPrefix: string;
}

/** Errors: bad_config for a configured range that overlaps a route of the host, host_unfit when every candidate does. */
export async function chooseSupernet(choice: SupernetChoice): Promise<string> {
  const others = (await routes()).filter(({ link }) => !link.startsWith(choice.linkPrefix));
  const conflict = (range: string) => {
    const wanted = rangeOf(range);
    return others.find((route) => {
      const taken = parseRange(route.range);
      return taken !== undefined && overlap(wanted, taken);
    });
  };
  if (choice.configured !== undefined) {
    const route = conflict(choice.configured);
    if (!route) return choice.configured;
    throw new BhattiError(
      "bad_config",
      `network.supernet ${choice.configured} overlaps the route ${route.range} of interface ${route.link}`,
      { hint: "Set network.supernet to a private range that the host does not use" },
    );
  }
  const free = [...(choice.kept ? [choice.kept] : []), ...candidates].find(
    (range) => !conflict(range),
  );
  if (free !== undefined) return free;
  throw new BhattiError(
    "host_unfit",
    `Each of the ranges ${candidates.join(", ")} overlaps a route of the host`,
    { hint: "Set network.supernet to a private range that the host does not use" },
  );
}

function rangeOf(text: string): Range {
  const range = parseRange(text);
  if (!range) throw new Error(`${text} is no range`);
  return range;
}
