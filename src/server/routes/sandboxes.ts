/** The sandbox endpoints, bound to the service. */
import type { z } from "zod";
import { endpoints } from "../../contract/all.ts";
import { LabelKey } from "../../contract/names.ts";
import { traitsFromWire } from "../../contract/sandbox-traits.ts";
import type { CreateSandbox, EditSandbox } from "../../contract/sandboxes.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { SandboxChangeRequest, SandboxRequest } from "../../services/sandboxes.ts";
import { type Binder, implement } from "../implement.ts";
import { forkRequestOf, type LifecycleRouteOptions } from "./lifecycle.ts";
import { answerWith, callerOf } from "./operations.ts";
import { presentedUsage, sandboxPresenter } from "./presented-sandbox.ts";

export function bindSandboxes(binder: Binder, options: LifecycleRouteOptions): void {
  const { sandboxes, forks } = options;
  const presented = sandboxPresenter(options);
  implement(binder, endpoints["sandbox.create"], async (call) => {
    const { body, user } = call;
    const { from } = body;
    const accepted =
      from === undefined
        ? await sandboxes.create(user, requestOf(body), callerOf(call))
        : await forks.createOne(user, from, forkRequestOf(body), callerOf(call));
    return await answerWith(options, call, accepted, ({ sandbox, existing }) => {
      if (!existing) return presented(sandbox);
      const headers = { "X-Bhatti-Existing": "true" };
      return call.answer(presented(sandbox), { status: 200, headers });
    });
  });
  implement(binder, endpoints["sandbox.list"], ({ query, user }) =>
    sandboxes.list(user, labelsOf(query.label)).map((sandbox) => presented(sandbox)),
  );
  implement(binder, endpoints["sandbox.get"], async ({ params, user }) => {
    const sandbox = sandboxes.get(user, params.ref);
    const usage = await sandboxes.usage(sandbox);
    return {
      ...presented(sandbox, usage?.commands),
      ...(usage && { usage: presentedUsage(usage) }),
    };
  });
  implement(binder, endpoints["sandbox.edit"], async ({ params, body, user }) =>
    presented(await sandboxes.edit(user, params.ref, changeOf(body))),
  );
  implement(binder, endpoints["sandbox.destroy"], async ({ params, user }) => {
    await sandboxes.destroy(user, params.ref);
    return { status: "destroyed" as const };
  });
}

function requestOf(body: z.output<typeof CreateSandbox>): SandboxRequest {
  return {
    name: body.name,
    template: body.template_id,
    ...traitsFromWire(body),
    ttlSeconds: body.ttl_s,
    files: body.files?.map((file) => ({
      path: file.guest_path,
      mode: Number.parseInt(file.mode, 8),
      content: Buffer.from(file.content, "base64"),
    })),
  };
}

/** Null is a value of its own here: back to the daemon's setting. */
function changeOf(body: z.output<typeof EditSandbox>): SandboxChangeRequest {
  return {
    ...given("name", body.name),
    ...traitsFromWire(body),
    ...given("labelsAdd", body.labels_add),
    ...given("labelsRemove", body.labels_remove),
    ...given("ttlSeconds", body.ttl_s),
  };
}

function given<Name extends string, T>(name: Name, value: T | undefined): { [_ in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [_ in Name]: T });
}

function labelsOf(label: string | string[] | undefined): Map<string, string> {
  return new Map([label ?? []].flat().map(labelOf));
}

function labelOf(text: string): [key: string, value: string] {
  const [key = "", ...rest] = text.split("=");
  if (rest.length === 0 || !LabelKey.safeParse(key).success) {
    throw new BhattiError("bad_request", `label: must be key=value (got ${JSON.stringify(text)})`);
  }
  return [key, rest.join("=")];
}
