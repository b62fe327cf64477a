// Log-in, and actions behind a confirmation.

import {find, setText} from "./dom.js";
import {useTraceLink} from "./trace.js";

const SECRET = "unixsvc-secret";  // of this tab only: other ports of this host do not see it, as they see cookies

const WORDS = {
  reload: ["Reload", where => `New workers with the current code and configuration replace those of ${where}.`],
  restart: ["Restart", where => `The workers of ${where} stop, then new ones start. Clients wait meanwhile.`],
  scale: ["Scale", where => `Set the number of workers of ${where}, until a reload changes the configured number.`],
  "log-level": ["Set the log level", where => `Set the lowest level that is logged by ${where}.`],
  cancel: ["Cancel", where => `The caller of ${where} gets the code 499.`],
};

export class Actions {
  // onChange: called after a log-in and a log-out.
  constructor(onChange) {
    this.onChange = onChange;
    this.operator = null;
    this.wanted = null;
    find("#session").addEventListener("click", () => (this.operator ? this.logOut() : this.askToken()));
    find("#login form").addEventListener("submit", event => {
      event.preventDefault();
      this.#logIn(find("#token").value);
    });
    find("#confirm form").addEventListener("submit", event => {
      event.preventDefault();
      find("#confirm").close();
      this.#send();
    });
    for (const button of document.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
  }

  async start() {
    const who = await (await fetch("session")).json();
    useTraceLink(who.trace_link);
    const known = who.operator !== null && sessionStorage.getItem(SECRET) !== null;
    this.#set(known ? who.operator : null);
    if (!who.reads) this.askToken();
  }

  // Ask whether to do it; order: what the request has.
  ask(name, order, where, workers = 1) {
    if (!this.operator) {
      this.askToken();
      return;
    }
    const [title, text] = WORDS[name];
    const whole = name === "log-level" ? `${title} of ${where}` : `${title} ${where}`;
    this.wanted = {name, order, title: whole};
    setText(find("#confirm-title"), `${whole}?`);
    setText(find("#confirm-text"), text(where));
    setText(find("#confirm-go"), title);
    find("#confirm-workers").hidden = name !== "scale";
    find("#confirm-level").hidden = name !== "log-level";
    find("#workers").value = workers;
    find("#confirm").showModal();
  }

  async logOut() {
    await fetch("session", {method: "DELETE"});
    sessionStorage.removeItem(SECRET);
    this.#set(null);
    this.onChange();
  }

  askToken() {
    if (find("#login").open) return;
    setText(find("#login-problem"), "");
    find("#token").value = "";
    find("#login").showModal();
  }

  // The session has ended.
  end() {
    this.#set(null);
  }

  async #logIn(token) {
    const reply = await fetch("session", {method: "POST", headers: {Authorization: `Bearer ${token}`}});
    const body = await reply.json();
    if (!reply.ok) {
      setText(find("#login-problem"), body.detail ?? body.title);
      return;
    }
    find("#login").close();
    sessionStorage.setItem(SECRET, body.secret);
    useTraceLink(body.trace_link);
    this.#set(body.operator);
    this.onChange();
  }

  #set(operator) {
    this.operator = operator;
    setText(find("#session"), operator ? `Log out ${operator}` : "Log in");
  }

  async #send() {
    const {name, order, title} = this.wanted;
    const body = {...order};
    if (name === "scale") body.workers = Number(find("#workers").value);
    if (name === "log-level") body.level = find("#level").value;
    say(`${title}: in progress`);
    try {
      const reply = await fetch(`actions/${name}`, {
        method: "POST",
        headers: {"Content-Type": "application/json", "X-CSRF-Token": secret()},
        body: JSON.stringify(body),
      });
      const problem = reply.ok ? null : await reply.json();
      say(problem === null ? `${title}: done` : `${title}: ${problem.detail ?? problem.title}`);
      if (reply.status === 401) this.#set(null);
    } catch (error) {
      say(`${title}: ${error.message}`);
    }
  }
}

export function secret() {
  return sessionStorage.getItem(SECRET) ?? "";
}

export function say(text) {
  const notice = find("#notice");
  notice.hidden = false;
  setText(notice, text);
}
