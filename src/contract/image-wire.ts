/** Converts the row of an image for the API; apart from the schema, which the command line does not load. */
import type { Image } from "./images.ts";

interface ImageRecord {
  id: string;
  /** Null: the operator's. */
  userId: string | null;
  name: string;
  source: string;
  sizeMB: number;
  digest: string;
  createdAt: string;
}

export function imageToWire(image: ImageRecord): Image {
  return {
    id: image.id,
    user_id: image.userId ?? "",
    name: image.name,
    source: image.source,
    size_mb: image.sizeMB,
    digest: image.digest,
    created_at: image.createdAt,
  };
}
