/** The template endpoints, bound to the service. */
import type { z } from "zod";
import { endpoints } from "../../contract/all.ts";
import { traitsFromWire } from "../../contract/sandbox-traits.ts";
import { defaultCpus, defaultMemoryMB } from "../../contract/sandboxes.ts";
import type { CreateTemplate, ListedTemplate, Template } from "../../contract/templates.ts";
import type {
  ListedTemplate as ListedTemplateRecord,
  NewTemplate,
  TemplateRecord,
  Templates,
} from "../../services/templates.ts";
import { type Binder, implement } from "../implement.ts";

export interface TemplateRouteOptions {
  templates: Templates;
  identity: { engine: string };
}

export function bindTemplates(binder: Binder, { templates, identity }: TemplateRouteOptions): void {
  const [engine = ""] = identity.engine.split(" "); // its kind, without its version
  implement(binder, endpoints["template.create"], ({ body, user }) =>
    presented(templates.create(user, requestOf(body)), engine),
  );
  implement(binder, endpoints["template.list"], ({ user }) =>
    templates.list(user).map((template) => listed(template, engine)),
  );
  implement(binder, endpoints["template.get"], ({ params, user }) =>
    presented(templates.get(user, params.ref), engine),
  );
  implement(binder, endpoints["template.delete"], ({ params, user }) => {
    templates.delete(user, params.ref);
    return { status: "deleted" as const };
  });
}

function requestOf(body: z.output<typeof CreateTemplate>): NewTemplate {
  return { name: body.name, ...traitsFromWire(body) };
}

function presented(template: TemplateRecord, engine: string): Template {
  return { ...listed(template, engine), env: template.env, init: template.init ?? "" };
}

function listed(template: ListedTemplateRecord, engine: string): ListedTemplate {
  return {
    id: template.id,
    name: template.name,
    engine,
    image: template.image ?? "",
    cpus: template.cpus ?? defaultCpus,
    memory_mb: template.memoryMB ?? defaultMemoryMB,
    disk_size_mb: template.diskSizeMB ?? 0,
    labels: template.labels,
    keep_hot: template.keepHot,
    secrets: [],
    mounts: [],
    created_at: template.createdAt,
  };
}
