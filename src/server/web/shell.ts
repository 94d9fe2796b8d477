/** The page of the web shell: from the token in its address to a terminal, through all that can happen to a connection. */

import { openScreen } from "./screen.ts";
import { byId, offer, say } from "./status.ts";
import { allowOwnStyles } from "./strict-styles.ts";
import { Visit } from "./visit.ts";

const nonce = document.querySelector("script")?.nonce ?? "";
allowOwnStyles(nonce);

// The token stays in the address, so that the page can be loaded again. Browsers do not send the fragment to servers.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
window.addEventListener("hashchange", () => location.reload());

if (token === "") {
  say("bad", "This link is incomplete: it has no token");
  offer();
} else {
  new Visit(openScreen(byId("terminal")), token).connect();
}
