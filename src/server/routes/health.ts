/** The endpoints about the daemon itself. */
import { endpoints } from "../../contract/all.ts";
import { openApiDocument } from "../../contract/openapi.ts";
import { answerShared } from "../answers/answer.ts";
import { goDuration } from "../go-duration.ts";
import { type Binder, implement } from "../implement.ts";

export interface DaemonIdentity {
  version: string;
  engine: string;
  accelerator: "kvm" | "tcg" | "none";
  acceleratorReason: string;
  network: "private" | "none";
  networkReason: string;
  isolates: boolean;
  jsonBodyBytes: number;
}

export function bindHealth(binder: Binder, identity: DaemonIdentity): void {
  const started = performance.now();
  let document: Uint8Array | undefined;
  implement(binder, endpoints["health.get"], () => {
    const uptimeMs = Math.round(performance.now() - started);
    return { status: "ok" as const, uptime: goDuration(uptimeMs), uptime_s: uptimeMs / 1000 };
  });
  implement(binder, endpoints["version.get"], () => ({
    version: identity.version,
    engine: identity.engine,
    accelerator: identity.accelerator,
    accelerator_reason: identity.acceleratorReason,
    network: identity.network,
    network_reason: identity.networkReason,
    isolates: identity.isolates,
    json_body_bytes: identity.jsonBodyBytes,
  }));
  implement(binder, endpoints["openapi.get"], ({ answering }) => {
    document ??= new TextEncoder().encode(
      JSON.stringify(openApiDocument(Object.values(endpoints), identity.version)),
    );
    return answerShared(answering(), [document], { "Content-Type": "application/json" });
  });
}
