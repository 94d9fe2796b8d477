/** Stop, start and fork, bound to the service. */
import type { z } from "zod";
import { endpoints } from "../../contract/all.ts";
import type { SandboxFields } from "../../contract/sandboxes.ts";
import type { ForkRequest, Forks } from "../../services/forks.ts";
import { type Binder, implement } from "../implement.ts";
import { type PresenterOptions, sandboxPresenter, withWarning } from "./presented-sandbox.ts";

export interface LifecycleRouteOptions extends PresenterOptions {
  forks: Forks;
}

export function bindLifecycle(binder: Binder, options: LifecycleRouteOptions): void {
  const { sandboxes, forks } = options;
  const presented = sandboxPresenter(options);
  implement(binder, endpoints["sandbox.stop"], async ({ params, user }) =>
    presented(await sandboxes.stop(user, params.ref)),
  );
  implement(binder, endpoints["sandbox.start"], async ({ params, body, user }) => {
    const { sandbox, warning } = await sandboxes.start(user, params.ref, body);
    return withWarning(presented(sandbox), warning);
  });
  implement(binder, endpoints["sandbox.fork"], async ({ params, body, user, signal }) => {
    const request = { ...forkRequestOf(body), count: body.count };
    const children = await forks.create(user, params.ref, request, signal());
    return children.map(presented);
  });
}

type ForkFields = "name" | "labels" | "keep_hot" | "idle_warm_s" | "idle_cold_s" | "ttl_s";

export function forkRequestOf(
  body: Pick<z.output<typeof SandboxFields>, ForkFields>,
): Omit<ForkRequest, "count"> {
  return {
    name: body.name,
    labels: body.labels,
    keepHot: body.keep_hot,
    idleWarmSeconds: body.idle_warm_s,
    idleColdSeconds: body.idle_cold_s,
    ttlSeconds: body.ttl_s,
  };
}
