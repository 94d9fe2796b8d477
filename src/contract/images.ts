/** The image endpoints: list. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";

export const Image = z.object({
  id: z.string(),
  user_id: z.string().describe("Empty for images of the operator, which every user sees"),
  name: z.string(),
  source: z.string().describe("Such as recipe:<digest of the recipe>"),
  size_mb: z.int(),
  digest: z.string(),
  oci_digest: z.string().optional().describe("Digest in the registry, if the image was pulled"),
  created_at: z.string().describe("RFC 3339, UTC"),
});
export type Image = z.infer<typeof Image>;

export const imageEndpoints = {
  "image.list": endpoint("image.list", {
    summary: "List the images that you can create sandboxes from",
    result: z.array(Image),
    errors: [],
  }),
};
