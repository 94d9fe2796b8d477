/** The image endpoints, bound to the service. */
import { endpoints } from "../../contract/all.ts";
import { imageToWire } from "../../contract/image-wire.ts";
import type { Images } from "../../services/images.ts";
import { type Binder, implement } from "../implement.ts";

export function bindImages(binder: Binder, { images }: { images: Images }): void {
  implement(binder, endpoints["image.list"], ({ user }) => images.list(user.id).map(imageToWire));
}
