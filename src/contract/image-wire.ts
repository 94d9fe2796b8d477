/** An image's record as the API writes it; apart from the schema, so that the command line starts without it. */
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
