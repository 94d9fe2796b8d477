/** Stop, start and fork, bound to the service. */
import type { z } from "zod";
import { endpoints } from "../../contract/all.ts";
import { traitsFromWire } from "../../contract/sandbox-traits.ts";
import type { SandboxFields } from "../../contract/sandboxes.ts";
import type { ForkRequest, Forks } from "../../services/forks.ts";
import { type Binder, implement } from "../implement.ts";
import { answerWith, callerOf, type OperationRouteOptions } from "./operations.ts";
import { type PresenterOptions, sandboxPresenter, warningHeaders } from "./presented-sandbox.ts";

export interface LifecycleRouteOptions extends PresenterOptions, OperationRouteOptions {
  forks: Forks;
}

export function bindLifecycle(binder: Binder, options: LifecycleRouteOptions): void {
  const { sandboxes, forks } = options;
  const presented = sandboxPresenter(options);
  implement(binder, endpoints["sandbox.stop"], async (call) =>
    answerWith(options, call, sandboxes.stop(call.user, call.params.ref), presented),
  );
  implement(binder, endpoints["sandbox.start"], async ({ params, body, user, answer }) => {
    const { sandbox, warning } = await sandboxes.start(user, params.ref, body);
    return answer(presented(sandbox), { headers: warningHeaders(warning) });
  });
  implement(binder, endpoints["sandbox.fork"], async (call) => {
    const { user, params, body } = call;
    const request = { ...forkRequestOf(body), count: body.count };
    const accepted = forks.create(user, params.ref, request, callerOf(call));
    return await answerWith(options, call, accepted, (children) => children.map(presented));
  });
}

type ForkFields = "name" | "labels" | "keep_hot" | "idle_warm_s" | "idle_cold_s" | "ttl_s";

export function forkRequestOf(
  body: Pick<z.output<typeof SandboxFields>, ForkFields>,
): Omit<ForkRequest, "count"> {
  return {
    name: body.name,
    ...traitsFromWire(body),
    ttlSeconds: body.ttl_s,
  };
}
