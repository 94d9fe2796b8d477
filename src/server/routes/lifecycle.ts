/** Stop, start and fork, bound to the service. */
import { endpoints } from "../../contract/all.ts";
import type { Forks } from "../../services/forks.ts";
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
    const { keep_hot, idle_warm_s, idle_cold_s, ttl_s, ...rest } = body;
    const request = {
      ...rest,
      keepHot: keep_hot,
      idleWarmSeconds: idle_warm_s,
      idleColdSeconds: idle_cold_s,
      ttlSeconds: ttl_s,
    };
    const children = await forks.create(user, params.ref, request, signal());
    return children.map(presented);
  });
}
