/** Every way in which a machine starts gets the whole configuration, and every start has a number. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Attachments } from "../../src/services/machine-config.ts";
import { databasePath, openStore } from "../../src/store/store.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";

const network = { index: 1, subnet: "10.208.1.0/24", gateway: "10.208.1.1" };
const attachments: Attachments = {
  nicsOf: ({ name }) => [{ network, mac: "52:54:00:00:00:01", address: `10.208.1.${name.length}` }],
  volumesOf: ({ id }) => [{ id: `vol-${id}`, mount: "/data", readOnly: false }],
};

function machineOf(daemon: FakeDaemon, sandbox: string) {
  using store = openStore(databasePath(daemon.dataDir));
  const row = store.sandboxes.all().find(({ name }) => name === sandbox);
  const machine = daemon.engine.machines.get(row?.engineId ?? "");
  if (!row || !machine) throw new Error(`sandbox ${sandbox} has no machine`);
  return { row, machine };
}

/** As if the sandbox had been started that often, elsewhere or before its files were put back. */
function setEpoch(daemon: FakeDaemon, sandbox: string, epoch: number): void {
  using store = openStore(databasePath(daemon.dataDir));
  const { row } = machineOf(daemon, sandbox);
  expect(store.sandboxes.update(row.id, { ...row, epoch })).toBeTrue();
}

/** Configuration that the engine got for the last start, and the number of that start in the store. */
function lastStart(daemon: FakeDaemon, sandbox: string) {
  const { row, machine } = machineOf(daemon, sandbox);
  const { config, origin } = machine;
  expect(config.hardware).toEqual({ cpus: row.cpus, memoryMB: row.memoryMB });
  expect(config.identity.hostname).toBe(sandbox);
  expect(config.nics).toEqual(attachments.nicsOf(row));
  expect(config.volumes).toEqual(attachments.volumesOf(row));
  expect(row.epoch).toBe(config.epoch);
  return { epoch: config.epoch, kind: origin.kind };
}

test("create, resume, boot, adopt, clone, fork and restore pass the whole configuration to the engine", async () => {
  await using daemon = await startFakeDaemon({ attachments });
  const call = (path: string, body?: object) => daemon.call<Sandbox>("POST", path, body);
  await daemon.create({ name: "dev" });
  expect(lastStart(daemon, "dev")).toEqual({ epoch: 1, kind: "booted" });

  await call("/sandboxes/dev/stop");
  await call("/sandboxes/dev/start");
  expect(lastStart(daemon, "dev")).toEqual({ epoch: 2, kind: "resumed" });

  machineOf(daemon, "dev").machine.finish({ reason: "crashed", detail: "by the test" });
  await call("/sandboxes/dev/start", { force: true });
  expect(lastStart(daemon, "dev")).toEqual({ epoch: 3, kind: "booted" });

  // Taking a machine over is no start.
  await daemon.stop();
  await daemon.start();
  expect(lastStart(daemon, "dev")).toEqual({ epoch: 3, kind: "adopted" });

  await call("/sandboxes/dev/fork", { name: "child" });
  expect(lastStart(daemon, "child")).toEqual({ epoch: 1, kind: "restored" });

  await call("/sandboxes/dev/checkpoint", { name: "snap" });
  await call("/snapshots/snap/resume", { name: "copy" });
  expect(lastStart(daemon, "copy")).toEqual({ epoch: 1, kind: "restored" });

  await call("/snapshots/snap/restore", { sandbox: "dev" });
  expect(lastStart(daemon, "dev")).toEqual({ epoch: 4, kind: "restored" });
});

test("a saved state of an earlier start is not woken: the sandbox starts from its disk and says so", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  setEpoch(daemon, "dev", 7);
  const { body } = await daemon.call<Sandbox>("POST", "/sandboxes/dev/start");
  expect(body.engine_meta["reason"]).toContain("earlier start");
  const { machine, row: after } = machineOf(daemon, "dev");
  expect(machine.origin.kind).toBe("booted");
  expect([machine.epoch, after.epoch]).toEqual([8, 8]);
});

test("a machine of an earlier start is not taken over", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const { machine } = machineOf(daemon, "dev");
  setEpoch(daemon, "dev", 7);
  await daemon.stop();
  await daemon.start();
  expect(machine.running).toBeFalse();
  expect(machineOf(daemon, "dev").row.status).toBe("stopped");
});

test("a resume that fails before its processors run leaves the saved state usable", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  daemon.engine.options.onResume = () => {
    throw new Error("not now");
  };
  expect((await daemon.call("POST", "/sandboxes/dev/start")).status).toBe(500);
  delete daemon.engine.options.onResume;
  expect(machineOf(daemon, "dev").row.epoch).toBe(1);
  expect((await daemon.call("POST", "/sandboxes/dev/start")).status).toBe(200);
  expect(machineOf(daemon, "dev").machine.origin.kind).toBe("resumed");
});
