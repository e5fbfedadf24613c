// The connect page: choose what to connect, fill in what is asked, sign in, see how it went.
const main = document.querySelector("main");
const page = JSON.parse(main.dataset.page);
const token = location.pathname.split("/").pop();
const isFramed = window.parent !== window;
const host = window.opener ?? (isFramed ? window.parent : null);

if (page.integrations.length === 0) {
  show("error", "Nothing to connect", "The app that sent you here has not set anything up yet. Please tell its makers.");
} else if (page.integrations.length === 1) {
  ask(page.integrations[0]);
} else {
  choose();
}

// ---- What is shown

function show(kind, heading, text, ...rest) {
  main.className = `card ${kind}`;
  const mark = kind ? [element("div", { className: "mark", ariaHidden: "true" })] : [];
  const title = element("h1", { textContent: heading, tabIndex: -1 });
  main.replaceChildren(...mark, title, ...(text ? [element("p", { textContent: text })] : []), ...rest);
}

function choose() {
  const items = page.integrations.map((integration) =>
    element("li", {}, element("button", { textContent: integration.name, onclick: () => ask(integration) })));
  show("", "What would you like to connect?", "Choose one to go on.", element("ul", {}, ...items));
}

function ask(integration, problem = "", values = {}) {
  const verb = page.isReconnecting ? "Reconnect" : "Connect";
  const fields = [
    ...integration.credentials.map((field) => ({ ...field, isCredential: true })),
    ...integration.once.map((field) => ({ ...field, isOnce: true })),
    ...integration.fields,
  ];
  const intro = integration.isBrowser
    ? `A window of ${integration.name} will open, in which you sign in and agree.`
    : fields.length > 0
      ? `${integration.name} needs the following. It is kept encrypted.`
      : `Nothing more is needed to connect ${integration.name}.`;
  const entries = fields.map((field) => entry(field, values[field.name]));
  const submit = element("button", { type: "submit", textContent: `${verb} ${integration.name}` });
  const form = element(
    "form",
    {
      noValidate: false,
      onsubmit(event) {
        event.preventDefault();
        const given = Object.fromEntries(entries.map(({ field, input }) => [field.name, input.value.trim()]));
        connect(integration, fields, given);
      },
    },
    ...entries.map(({ node }) => node),
    ...(problem ? [element("p", { className: "problem", role: "alert", textContent: problem })] : []),
    submit,
  );
  const back = page.integrations.length > 1
    ? [element("button", { className: "plain", textContent: "Choose something else", onclick: choose })]
    : [];
  show("", `${verb} ${integration.name}`, intro, form, ...back);
  (entries[0]?.input ?? submit).focus();
}

function entry(field, value) {
  const id = `field-${field.name}`;
  const choices = field.choices?.map((choice) => element("option", { value: choice, textContent: choice }));
  const input = choices
    ? element("select", { id }, ...choices)
    : field.isLong
    ? element("textarea", { id, rows: 6, placeholder: field.example ?? "", spellcheck: false })
    : element("input", {
        id,
        type: field.secret ? "password" : "text",
        placeholder: field.example ?? "",
        autocomplete: "off",
        spellcheck: false,
        autocapitalize: "none",
      });
  input.required = !field.optional;
  input.value = value ?? field.default ?? (choices ? field.choices[0] : "");
  input.oninput = () => input.setCustomValidity(isRight(field, input.value.trim()) ? "" : hint(field));
  input.oninput();
  const title = [field.title, ...(field.optional ? [element("span", { className: "quiet", textContent: " (may stay empty)" })] : [])];
  const help = [field.description, field.example && `For example: ${field.example}`].filter(Boolean);
  const around = (text) => (text ? [element("span", { textContent: text })] : []);
  const node = element(
    "div",
    { className: "field" },
    element("label", { htmlFor: id }, ...title),
    element("div", { className: "entry" }, ...around(field.prefix), input, ...around(field.suffix)),
    ...help.map((text) => element("p", { className: "quiet", textContent: text })),
  );
  return { field, input, node };
}

function isRight(field, value) {
  if (!value || !field.pattern) return true;
  try {
    return new RegExp(`^(?:${field.pattern})$`, "u").test(value);
  } catch {
    return true; // The server checks again.
  }
}

function hint(field) {
  return field.example
    ? `This does not look like ${field.title}. It should look like: ${field.example}`
    : `This does not look like ${field.title}.`;
}

function connected(integration, connectionId) {
  tell("connect", { providerConfigKey: integration.key, connectionId });
  show("success", `${integration.name} is connected`, "Everything is set up. You can close this window.");
}

function failed(integration, type, message, values = {}) {
  tell("error", { errorType: type, errorMessage: message });
  const again = element("button", { textContent: "Try again", onclick: () => ask(integration, "", values) });
  show("error", `${integration.name} was not connected`, message, again);
}

// ---- Connecting

// Where the modes that need no window take what was entered.
const doors = {
  API_KEY: "/api-auth/api-key",
  BASIC: "/api-auth/basic",
  OAUTH2_CC: "/oauth2/auth",
  TBA: "/auth/tba",
  JWT: "/auth/jwt",
  BILL: "/auth/bill",
  TWO_STEP: "/auth/two-step",
  SIGNATURE: "/auth/signature",
  AWS_SIGV4: "/auth/aws-sigv4",
};

function connect(integration, fields, values) {
  const address = new URL(location.origin);
  for (const field of fields) {
    if (field.isCredential || field.isOnce || !values[field.name]) continue;
    address.searchParams.set(`params[${field.name}]`, values[field.name]);
  }
  if (page.connectionId) address.searchParams.set("connection_id", page.connectionId);
  const key = encodeURIComponent(integration.key);
  if (integration.isBrowser) {
    address.pathname = `/oauth/connect/${key}`;
    return openPopup(integration, address);
  }
  address.pathname = `${doors[integration.mode] ?? "/auth/unauthenticated"}/${key}`;
  const given = (those) => Object.fromEntries(those.map(({ name }) => [name, values[name]]).filter(([, value]) => value));
  const body = given(fields.filter((field) => field.isCredential));
  if (integration.once.length > 0) body.assertionOption = given(fields.filter((field) => field.isOnce));
  return send(integration, address, body, values);
}

async function send(integration, address, body, values) {
  show("waiting", `Connecting ${integration.name}`, "One moment, please.");
  try {
    const response = await fetch(address, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (response.ok) return connected(integration, answer.connectionId);
    if (response.status === 401) return expired();
    const error = answer.error ?? {};
    tell("error", { errorType: error.code ?? "unknown_error", errorMessage: error.message ?? "" });
    const details = (error.errors ?? []).map((issue) => issue.message);
    ask(integration, [error.message ?? "Something went wrong.", ...details].join(" "), values);
  } catch {
    ask(integration, "The server cannot be reached. Please check your connection and try again.", values);
  }
}

function openPopup(integration, address) {
  const attempt = randomHex(32);
  address.searchParams.set("connect_session_token", token);
  address.searchParams.set("attempt_id", attempt);
  const full = new URL(address);
  address.searchParams.set("opener_origin", location.origin);
  const left = Math.round(screenX + (outerWidth - 500) / 2);
  const top = Math.round(screenY + (outerHeight - 600) / 2);
  // Called within the click: later the browser would block it.
  const popup = window.open(address, "_blank", `popup,width=500,height=600,left=${left},top=${top}`);
  if (!popup && !isFramed) return location.assign(full);
  if (!popup) {
    // A frame cannot show the provider's page; a link that a person clicks is not blocked.
    const link = element("a", { className: "button", href: full, target: "_blank", rel: "noopener", textContent: "Sign in" });
    show("waiting", `Connecting ${integration.name}`, "Your browser has blocked the window. Open it yourself:", link);
  } else {
    const note = element("p", { className: "quiet", hidden: true, textContent: "The window seems to be closed." });
    const again = element("button", { className: "plain", textContent: "Start again" });
    again.onclick = () => (stop(), popup.close(), ask(integration));
    show("waiting", `Connecting ${integration.name}`, "Please go on in the window that has opened.", note, again);
    // Some sign-in pages cut the tie to this one and look closed while they are not: so this is only a note.
    watchClosing(popup, note);
  }
  const stop = watch(integration, attempt, popup);
}

// Learns the outcome by asking every half second, and sooner by the popup's message.
function watch(integration, attempt, popup) {
  const until = Date.now() + 10 * 60 * 1000;
  let isOver = false;
  const timer = setInterval(look, 500);
  window.addEventListener("message", heard);
  return stop;

  function stop() {
    isOver = true;
    clearInterval(timer);
    window.removeEventListener("message", heard);
  }

  function heard(event) {
    if (event.origin !== location.origin || event.source !== popup || isOver) return;
    const { type, payload = {} } = event.data ?? {};
    if (payload.attemptId && payload.attemptId !== attempt) return;
    if (type === "success") finish({ state: "success", connectionId: payload.connectionId });
    if (type === "error") finish({ state: "error", error: { type: payload.errorType, message: payload.errorMessage } });
  }

  function finish(outcome) {
    stop();
    if (outcome.state === "success") return connected(integration, outcome.connectionId);
    failed(integration, outcome.error?.type ?? "unknown_error", outcome.error?.message ?? "Something went wrong.");
  }

  async function look() {
    if (Date.now() > until) {
      return finish({ state: "error", error: { type: "timeout", message: "That took too long. Please try again." } });
    }
    try {
      const response = await fetch(`/connect/attempts/${attempt}`, { headers: { Authorization: `Bearer ${token}` } });
      if (isOver) return;
      if (response.status === 401) return stop(), expired();
      if (!response.ok) return; // Not known before the popup has loaded.
      const outcome = await response.json();
      if (outcome.state !== "pending" && !isOver) finish(outcome);
    } catch {
      // The next look may reach the server again.
    }
  }
}

function watchClosing(popup, note) {
  const timer = setInterval(() => {
    if (!note.isConnected) return clearInterval(timer);
    note.hidden = !popup.closed;
  }, 1000);
}

function expired() {
  tell("error", { errorType: "unknown_connect_session_token", errorMessage: "The connect session has expired." });
  show("error", "This link has expired", "Go back to the app that you came from and start again: it will give you a new link.");
}

// ---- Small things

// Tells the page that shows or opened this one; only pages of the registered origins can read it.
function tell(type, payload) {
  for (const origin of page.origins) host?.postMessage({ type, payload }, origin);
}

function randomHex(count) {
  return Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function element(name, properties, ...children) {
  const node = document.createElement(name);
  node.append(...children);
  return Object.assign(node, properties);
}
