import { expect, test } from "bun:test";
import { isUniqueViolation } from "./database.ts";
import { openStore } from "./store.ts";
import type { TemplateRecord } from "./templates.ts";

const createdAt = "2026-01-01T00:00:00.000Z";

function openWithUsers(...ids: string[]) {
  const store = openStore(":memory:");
  const limits = { maxSandboxes: 1, maxCpus: 1, maxSnapshots: 1, maxMemoryMB: 1024 };
  for (const id of ids) store.users.insert({ id, name: id, role: "user", ...limits, createdAt });
  return store;
}

function template(id: string, userId: string, name: string): TemplateRecord {
  const unsaid = { image: null, cpus: null, memoryMB: null, diskSizeMB: null, init: null };
  return { id, userId, name, ...unsaid, env: {}, keepHot: false, labels: {}, createdAt };
}

test("a template is read as it was written", () => {
  using store = openWithUsers("ada");
  const sizes = { cpus: 2, memoryMB: 256, diskSizeMB: 512 };
  const maps = { env: { A: "1" }, labels: { team: "core" } };
  const full = { ...template("t1", "ada", "web"), ...sizes, ...maps };
  const written = { ...full, image: "tiny", init: "echo", keepHot: true };
  store.templates.insert(written);
  store.templates.insert(template("t2", "ada", "bare"));
  expect(store.templates.byId("t1")).toEqual(written);
  expect(store.templates.byName("ada", "bare")).toEqual(template("t2", "ada", "bare"));
  expect(store.templates.ofUser("ada").map(({ id }) => id)).toEqual(["t1", "t2"]);
});

test("a name is one user's once", () => {
  using store = openWithUsers("ada", "bob");
  store.templates.insert(template("t1", "ada", "web"));
  store.templates.insert(template("t2", "bob", "web"));
  let failure: unknown;
  try {
    store.templates.insert(template("t3", "ada", "web"));
  } catch (error) {
    failure = error;
  }
  expect(isUniqueViolation(failure)).toBeTrue();
});

test("a user's templates go with the user", () => {
  using store = openWithUsers("ada", "bob");
  store.templates.insert(template("t1", "ada", "web"));
  store.templates.insert(template("t2", "bob", "web"));
  store.users.delete("ada");
  expect(store.templates.byId("t1")).toBeUndefined();
  expect(store.templates.byId("t2")).toBeDefined();
});
