/** Builds the whole daemon in order, and takes it down in reverse. */
import { join } from "node:path";
import { type Clock, systemClock } from "../async/clock.ts";
import type { ServerConfig } from "../config/schema.ts";
import { defaultCpus, defaultMemoryMB } from "../contract/sandboxes.ts";
import type { Engine } from "../engine/engine.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import { prepareDataDirectory } from "../host/data-directory.ts";
import { DiskReserve } from "../host/disk-reserve.ts";
import { isFullDisk } from "../host/disk-space.ts";
import { lockDirectory } from "../host/lock.ts";
import { daemonRunner, isRunning } from "../host/runner.ts";
import { EventRecorder } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import { type HttpServer, startServer } from "../server/server.ts";
import { Exec } from "../services/exec.ts";
import { Files } from "../services/files.ts";
import { Forks } from "../services/forks.ts";
import { Images } from "../services/images.ts";
import { LastKnown } from "../services/last-known.ts";
import { type Attachments, machineConfigs } from "../services/machine-config.ts";
import { MachineKeeper } from "../services/machine-keeper.ts";
import type { Networks } from "../services/networks.ts";
import { recoverOperations } from "../services/operation-recovery.ts";
import { Operations } from "../services/operations.ts";
import { recover } from "../services/recovery.ts";
import { SandboxActors } from "../services/sandbox-actor.ts";
import { SandboxCopies } from "../services/sandbox-copies.ts";
import { Sandboxes } from "../services/sandboxes.ts";
import { Sessions } from "../services/sessions.ts";
import { Shares } from "../services/shares.ts";
import { Snapshots } from "../services/snapshots.ts";
import { Templates } from "../services/templates.ts";
import { Users } from "../services/users.ts";
import { databasePath, openStore } from "../store/store.ts";
import { openEngine } from "./choose-engine.ts";
import { parseListenAddress } from "./listen-address.ts";
import { type OpenNetworks, openNetworks } from "./open-networks.ts";
import { takeDown } from "./shutdown.ts";

export interface DaemonDependencies {
  log: Logger;
  version: string;
  /** Short paths for sockets. */
  runtimeDir: string;
  /** Instead of the one that the configuration names; the daemon closes it. */
  engine?: Engine;
  /** Network cards and volumes of sandboxes; none by default. */
  attachments?: Attachments;
  /** What idleness and times to live are measured by. */
  clock?: Clock;
}

export interface Daemon extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Ends it in good order; what becomes of its machines is the configuration's business unless given. Idempotent. */
  stop(onShutdown?: ServerConfig["onShutdown"]): Promise<void>;
}

/** Errors: host_unfit, disk_full, and those of the configuration. */
export async function startDaemon(
  config: ServerConfig,
  dependencies: DaemonDependencies,
): Promise<Daemon> {
  try {
    return await start(config, dependencies);
  } catch (error) {
    if (!isFullDisk(error)) throw error;
    const { dataDir } = config;
    throw new BhattiError(
      "disk_full",
      `Cannot start the daemon, the disk of the data directory "${dataDir}" is full: ${messageOf(error)}`,
      {
        cause: error,
        hint: `Free some space on it. "${join(dataDir, "golden")}" is a cache and can be removed`,
      },
    );
  }
}

async function start(
  config: ServerConfig,
  {
    log,
    version,
    runtimeDir,
    engine: givenEngine,
    attachments,
    clock = systemClock,
  }: DaemonDependencies,
): Promise<Daemon> {
  const address = parseListenAddress(config.listen);
  await using undo = new AsyncDisposableStack();
  await prepareDataDirectory(config.dataDir);
  const reserve = new DiskReserve(config.dataDir);
  if (await reserve.releaseIfShort()) log.warn("the disk is full: released the reserve");
  const lock = undo.use(await lockDirectory(config.dataDir));
  const store = undo.use(openStore(databasePath(config.dataDir)));
  const write = (batch: Parameters<typeof store.events.insertAll>[0]) =>
    store.events.insertAll(batch);
  const events = undo.use(new EventRecorder({ write, log }));
  const users = new Users(store, events);
  const images = new Images(store, events, config.dataDir);
  const defaults = { image: config.defaultImage, cpus: defaultCpus, memoryMB: defaultMemoryMB };
  const defaultSpec = () => {
    const image = images.find(null, defaults.image)?.machine;
    return image && { ...defaults, image };
  };
  const network: OpenNetworks = givenEngine
    ? { mode: "none", reason: "not with this engine" }
    : await openNetworks(config, { store, runtimeDir, log });
  const hasNetworks = network.mode === "private";
  if (hasNetworks) {
    undo.use(network.host);
    events.listen((event) => network.networks.onEvent(event));
  }
  const engine =
    givenEngine ??
    (await openEngine(config, {
      ...{ hostId: store.hostId, reserve, runtimeDir, log, defaultSpec },
      nics: hasNetworks ? network.host : undefined,
    }));
  undo.defer(() => engine.close());

  const actors = new SandboxActors(clock);
  const keeper = undo.use(new MachineKeeper(store, events, log));
  const configOf = machineConfigs(
    attachments ?? (hasNetworks ? attachmentsOf(network.networks) : undefined),
  );
  const operations = new Operations({
    ...{ store, events, log, clock },
    ...{ runner: daemonRunner, isRunning },
  });
  const parts = { store, engine, configOf, actors, keeper, operations, events, log };
  const lastKnown = new LastKnown(store, log);
  const settings = { defaults, thermal: config.thermal };
  const shares = new Shares({ store, events, log, clock });
  const onDestroy = (id: string) => shares.close(id);
  const addressOf = (id: string) => (hasNetworks ? network.networks.addressOf(id) : undefined);
  const sandboxes = new Sandboxes({
    ...parts,
    images,
    lastKnown,
    onDestroy,
    addressOf,
    ...settings,
  });
  const copies = new SandboxCopies({ ...parts, onMade: (id) => sandboxes.watch(id) });
  const forks = new Forks({ ...parts, copies, sandboxes });
  const snapshots = new Snapshots({ ...parts, sandboxes, copies });
  const templates = new Templates(store, events);
  const exec = new Exec({ sandboxes, events, log });
  const { limits } = config;
  const { stalledSeconds } = limits;
  const sessions = new Sessions({ sandboxes, actors, lastKnown, events, log, stalledSeconds });
  const files = new Files({ sandboxes, log, stalledSeconds });
  await recover({ ...parts, sandboxes });
  await snapshots.recover();
  await recoverOperations(parts);
  if (hasNetworks) await network.host.reconcile();
  operations.start();
  engine.start();
  sandboxes.watchAll();
  undo.defer(() => sandboxes.close());

  const identity = {
    version,
    ...identityOf(engine),
    ...{ network: network.mode, networkReason: network.reason },
    jsonBodyBytes: limits.jsonBodyBytes,
  };
  const services = {
    ...{ users, sandboxes, forks, snapshots, operations, templates, images },
    ...{ exec, sessions, files, shares },
  };
  const server = startServer({ address, ...services, events, clock, log, identity, limits });
  undo.defer(() => server.stop(0));
  const url = urlOf(server);
  await lock.describe({ listen: url });
  announce(log, url, identity);
  events.record({ type: "daemon.started", meta: { version, engine: identity.engine } });

  const rest = undo.move();
  let ending: Promise<void> | undefined;
  const stop = (onShutdown = config.onShutdown) => {
    events.record({ type: "daemon.shutdown" });
    const largestMB = Math.max(0, ...store.sandboxes.all().map(({ memoryMB }) => memoryMB));
    return takeDown({ server, sandboxes, operations, largestMB, onShutdown, log, rest });
  };
  return {
    url,
    stop: (onShutdown) => (ending ??= stop(onShutdown)),
    [Symbol.asyncDispose]: () => (ending ??= stop()),
  };
}

function attachmentsOf(networks: Networks): Attachments {
  return { nicsOf: (sandbox) => [networks.nicOf(sandbox)], volumesOf: () => [] };
}

function identityOf({ features }: Engine) {
  return {
    engine: features.name,
    accelerator: features.accelerator,
    acceleratorReason: features.acceleratorReason,
    isolates: features.isolates,
  };
}

function announce(log: Logger, url: string, identity: ReturnType<typeof identityOf>): void {
  log.info("listening", {
    url,
    engine: identity.engine,
    accelerator: identity.accelerator,
    reason: identity.acceleratorReason,
  });
  if (identity.isolates) return;
  log.warn("this accelerator is no security boundary: run trusted code only");
}

function urlOf({ hostname, port }: HttpServer): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
