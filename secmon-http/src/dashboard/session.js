// Signing in with a token, and the first setup by the link of the service.

import { get, post, del } from "./api.js";
import { byId, say, setText } from "./dom.js";
import { t } from "./i18n.js";

/** Returns the session, or null when nobody is signed in. */
export async function currentSession() {
  try {
    return (await get("session")).session;
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

/** Ends the session. */
export const signOut = () => del("session");

/** Takes the setup token out of the URL, so that neither the history nor a screenshot keeps it. */
export function takeSetupToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("setup");
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** Redeems a setup token and fills the panel of keys; a refusal becomes the message of the sign-in form. */
export async function redeemSetup(token) {
  try {
    const { setup } = await post("setup", { token });
    setText(byId("vkey"), setup.genesis_vkey);
    setText(byId("k0"), setup.k0 ?? "");
    byId("k0-part").hidden = setup.k0 === null || setup.k0 === undefined;
    setText(byId("setup-origin"), setup.origin);
    setText(byId("setup-stream"), setup.stream);
    return true;
  } catch (error) {
    setText(byId("signin-error"), error.status === 403 ? t("setup_gone") : t("signin_failed", { what: error.message }));
    return false;
  }
}

/** Connects the sign-in form, the copy buttons and "Continue"; `done` is called with a session at hand. */
export function initSession(done) {
  byId("signin-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = byId("token");
    const button = event.submitter ?? event.target.querySelector("button");
    button.disabled = true;
    setText(byId("signin-error"), "");
    input.removeAttribute("aria-invalid");
    try {
      await post("session", { token: input.value.trim() });
      input.value = "";
      await done();
    } catch (error) {
      const refused = error.status === 401 || error.status === 403;
      if (refused) input.setAttribute("aria-invalid", "true");
      setText(byId("signin-error"), refused ? t("signin_bad") : t("signin_failed", { what: error.status ? error.message : t("unreachable") }));
      input.focus();
    } finally {
      button.disabled = false;
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(button, byId(button.dataset.copy));
  });
  byId("setup-continue").addEventListener("click", async () => {
    for (const id of ["vkey", "k0"]) setText(byId(id), "");
    await done();
  });
}

async function copy(button, source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    setText(button, t("copied"));
    say(t("copied"));
    setTimeout(() => setText(button, t("copy")), 2500);
  } catch {
    getSelection().selectAllChildren(source);
    setText(button, t("copy_hand"));
    say(t("copy_hand"));
  }
}
