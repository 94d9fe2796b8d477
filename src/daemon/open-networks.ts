/** The host's networks, or why it has none. */
import type { ServerConfig } from "../config/schema.ts";
import { isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import { HostNetworks } from "../network/host-networks.ts";
import { parseRange } from "../network/ipv4.ts";
import { chooseSupernet } from "../network/supernet.ts";
import type { Logger } from "../observability/log.ts";
import { Networks } from "../services/networks.ts";
import type { Store } from "../store/store.ts";

export type OpenNetworks = { reason: string } & (
  | { mode: "private"; host: HostNetworks; networks: Networks }
  | { mode: "none" }
);

/** Where the host cannot have networks, the reason says why. Errors: bad_config. */
export async function openNetworks(
  config: ServerConfig,
  { store, runtimeDir, log }: { store: Store; runtimeDir: string; log: Logger },
): Promise<OpenNetworks> {
  if (config.engine !== "qemu") return { mode: "none", reason: "not with this engine" };
  if (config.network.mode === "none") {
    return { mode: "none", reason: "network.mode is none in the configuration" };
  }
  try {
    await using undo = new AsyncDisposableStack();
    const opened = HostNetworks.open({
      hostId: store.hostId,
      directory: `${runtimeDir}-dns`,
      upstreams: [],
      log,
    });
    const host = undo.use(await opened);
    const supernet = await chooseSupernet({
      configured: config.network.supernet,
      kept: store.networks.supernet,
      linkPrefix: host.linkPrefix,
    });
    if (config.network.supernet === undefined) store.networks.keepSupernet(supernet);
    const range = parseRange(supernet);
    if (!range) throw new Error(`${supernet} is no range`);
    const networks = new Networks({
      store,
      supernet: range,
      setNames: (network, names) =>
        void host.setNames(network, names).catch((error) => {
          log.warn("cannot set the names of a network", { network, error: messageOf(error) });
        }),
    });
    undo.move();
    return { mode: "private", reason: supernet, host, networks };
  } catch (error) {
    if (isBhattiError(error, "bad_config")) throw error;
    const reason = messageOf(error);
    log.warn("sandboxes have no network", { reason });
    return { mode: "none", reason };
  }
}
