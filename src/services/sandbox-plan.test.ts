import { expect, test } from "bun:test";
import type { TemplateRecord } from "../store/templates.ts";
import { fillDefaults, type SandboxPlan, type SandboxRequest } from "./sandbox-plan.ts";

const defaults = { image: "minimal", cpus: 1, memoryMB: 1024 };
const template: TemplateRecord = {
  id: "tpl_00000001",
  userId: "usr_00000001",
  name: "web",
  image: "big",
  cpus: 2,
  memoryMB: 2048,
  diskSizeMB: 4096,
  env: { A: "1" },
  init: "echo hi",
  keepHot: true,
  labels: { team: "core" },
  createdAt: "2026-01-01T00:00:00.000Z",
};
const unsaid = { image: null, cpus: null, memoryMB: null, diskSizeMB: null, init: null };

test.each<[string, SandboxRequest, Partial<SandboxPlan>]>([
  ["nothing is the template's", {}, { image: "big", cpus: 2, keepHot: true, init: "echo hi" }],
  ["a value wins", { image: "tiny", cpus: 1 }, { image: "tiny", cpus: 1, memoryMB: 2048 }],
  [
    "0 and an empty image are nothing",
    { image: "", memoryMB: 0, diskSizeMB: 0 },
    {
      image: "big",
      memoryMB: 2048,
      diskSizeMB: 4096,
    },
  ],
  ["false is something", { keepHot: false }, { keepHot: false }],
  ["an empty script is nothing", { init: "" }, { init: template.init }],
  ["maps are merged", { env: { A: "2", B: "3" } }, { env: { A: "2", B: "3" } }],
  ["a key of the template stays", { labels: { x: "y" } }, { labels: { team: "core", x: "y" } }],
])("with a template: %s", (_what, request, plan) => {
  expect(fillDefaults(request, template, defaults)).toMatchObject(plan);
});

test("what neither says is the default", () => {
  const plan = {
    ...defaults,
    name: undefined,
    diskSizeMB: 0,
    init: null,
    idleWarmSeconds: null,
    idleColdSeconds: null,
    ttlSeconds: null,
    files: [],
  };
  const bare = { ...template, ...unsaid, env: {}, labels: {}, keepHot: false };
  const rest = { env: {}, labels: {}, keepHot: false };
  expect(fillDefaults({}, bare, defaults)).toEqual({
    ...plan,
    ...rest,
    nameStem: "web",
    templateId: "tpl_00000001",
  });
  expect(fillDefaults({}, undefined, defaults)).toEqual({
    ...plan,
    ...rest,
    nameStem: "sandbox",
    templateId: null,
  });
});
