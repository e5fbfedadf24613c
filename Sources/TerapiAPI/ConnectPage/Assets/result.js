// The last page of a popup: tells the page that opened it, and goes.
const result = JSON.parse(document.querySelector("main").dataset.result);

// Only a page of the origin that was registered before can read this; the message holds no secret even so.
if (result.origin && window.opener) {
  window.opener.postMessage(result.message, result.origin);
}

// An error stays on the screen, so that a person can read it.
if (result.message.type === "success" && result.origin) {
  setTimeout(() => window.close(), 300);
}
