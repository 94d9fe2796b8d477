/** The template endpoints: create, list, get, delete. */
import { z } from "zod";
import { Deleted } from "./acknowledgements.ts";
import { endpoint } from "./endpoint.ts";
import { SandboxName } from "./names.ts";
import { notYet, SandboxFields } from "./sandboxes.ts";

/** A name or an id, wherever a path names a template. */
const TemplateRef = z.object({ ref: z.string().min(1) });

export const CreateTemplate = SandboxFields.pick({
  image: true,
  cpus: true,
  memory_mb: true,
  disk_size_mb: true,
  env: true,
  init: true,
  keep_hot: true,
  labels: true,
  secrets: true,
}).extend({
  name: SandboxName,
  id: z.string().optional().describe("Ignored; set by the daemon"),
  created_at: z.string().optional().describe("Ignored; set by the daemon"),
  engine: z.string().optional().describe("Ignored; the daemon has one engine"),
  mounts: notYet("volumes"),
  userdata: z
    .string()
    .max(0, { error: "must be empty: use init for a start-up script" })
    .optional(),
});

export const Template = z.object({
  id: z.string(),
  name: z.string(),
  engine: z.string(),
  image: z.string().describe("Empty: the daemon's default image when a sandbox is created"),
  cpus: z.int(),
  memory_mb: z.int(),
  disk_size_mb: z.int().describe("0: the image's size"),
  env: z.record(z.string(), z.string()),
  init: z.string(),
  labels: z.record(z.string(), z.string()),
  keep_hot: z.boolean(),
  secrets: z.array(z.string()),
  mounts: z.array(
    z.object({
      volume_name: z.string(),
      target: z.string(),
      readonly: z.boolean(),
      auto_create: z.boolean(),
    }),
  ),
  created_at: z.string().describe("RFC 3339, UTC"),
});
export type Template = z.infer<typeof Template>;

/** Without the fields that only GET of one template returns. */
export const ListedTemplate = Template.omit({ env: true, init: true });
export type ListedTemplate = z.infer<typeof ListedTemplate>;

export const templateEndpoints = {
  "template.create": endpoint("template.create", {
    summary: "Create a template",
    body: CreateTemplate,
    result: Template,
    status: 201,
    rate: "create",
    errors: ["template_exists", "template_limit", "disk_full"],
  }),
  "template.list": endpoint("template.list", {
    summary: "List templates, without env and init",
    result: z.array(ListedTemplate),
    errors: [],
  }),
  "template.get": endpoint("template.get", {
    summary: "Show a template",
    params: TemplateRef,
    result: Template,
    errors: ["template_not_found"],
  }),
  "template.delete": endpoint("template.delete", {
    summary: "Delete a template",
    description: "Sandboxes created from it are kept.",
    params: TemplateRef,
    result: Deleted,
    errors: ["template_not_found", "disk_full"],
  }),
};
