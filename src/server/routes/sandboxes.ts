/** The sandbox endpoints, bound to the service. */

import type { z } from "zod";
import { endpoints } from "../../contract/all.ts";
import { labelKeyPattern } from "../../contract/names.ts";
import type { CreateSandbox, Sandbox } from "../../contract/sandboxes.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { thermalOf } from "../../services/sandbox-states.ts";
import type { Sandboxes, SandboxRecord, SandboxRequest } from "../../services/sandboxes.ts";
import { type Binder, implement } from "../implement.ts";

export function bindSandboxes(binder: Binder, sandboxes: Sandboxes): void {
  implement(binder, endpoints["sandbox.create"], async ({ body, user, signal }) => {
    const { sandbox, existing } = await sandboxes.create(user, requestOf(body), signal());
    if (!existing) return presented(sandbox);
    return Response.json(presented(sandbox), { headers: { "X-Bhatti-Existing": "true" } });
  });
  implement(binder, endpoints["sandbox.list"], ({ query, user }) =>
    sandboxes.list(user, labelsOf(query.label)).map(presented),
  );
  implement(binder, endpoints["sandbox.get"], ({ params, user }) =>
    presented(sandboxes.get(user, params.ref)),
  );
  implement(binder, endpoints["sandbox.destroy"], async ({ params, user }) => {
    await sandboxes.destroy(user, params.ref);
    return { status: "destroyed" as const };
  });
}

function requestOf(body: z.output<typeof CreateSandbox>): SandboxRequest {
  return {
    name: body.name,
    image: body.image,
    cpus: body.cpus,
    memoryMB: body.memory_mb,
    diskSizeMB: body.disk_size_mb,
    env: body.env,
    init: body.init,
    keepHot: body.keep_hot,
    labels: body.labels,
    files: body.files?.map((file) => ({
      path: file.guest_path,
      mode: Number.parseInt(file.mode, 8),
      content: Buffer.from(file.content, "base64"),
    })),
  };
}

function presented(sandbox: SandboxRecord): Sandbox {
  const thermal = thermalOf(sandbox.status);
  return {
    id: sandbox.id,
    name: sandbox.name,
    template_id: "",
    engine_id: sandbox.engineId ?? "",
    status: sandbox.status,
    ...(thermal && { thermal }),
    ip: "",
    urls: [],
    engine_meta: sandbox.statusReason === null ? {} : { reason: sandbox.statusReason },
    created_by: sandbox.userId,
    created_at: sandbox.createdAt,
    ...(sandbox.stoppedAt !== null && { stopped_at: sandbox.stoppedAt }),
    keep_hot: sandbox.keepHot,
    cpus: sandbox.cpus,
    memory_mb: sandbox.memoryMB,
    disk_size_mb: sandbox.diskSizeMB,
    image: sandbox.image,
    ...(Object.keys(sandbox.labels).length > 0 && { labels: sandbox.labels }),
  };
}

function labelsOf(label: string | string[] | undefined): Map<string, string> {
  return new Map([label ?? []].flat().map(labelOf));
}

function labelOf(text: string): [key: string, value: string] {
  const [key = "", ...rest] = text.split("=");
  if (rest.length === 0 || !labelKeyPattern.test(key) || key.startsWith("bhatti.sh/")) {
    throw new BhattiError("bad_request", `label: must be key=value (got ${JSON.stringify(text)})`);
  }
  return [key, rest.join("=")];
}
