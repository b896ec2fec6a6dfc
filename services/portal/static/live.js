// Keeps an open page true: signals say «look again», parts are fetched by their ordinary URL.
const page = document.body.dataset;
const words = JSON.parse(document.getElementById("words").textContent);
const tab = Math.random().toString(36).slice(2, 12);
const beat = Number(page.beat) * 1000;
const silence = beat * 2.7;
const parts = [...document.querySelectorAll("[data-part]")];
const known = new Map(parts.map((part) => [part.dataset.part, part.innerHTML.trim()]));
const title = document.title;
const connection = document.getElementById("connection");
const strip = document.getElementById("strip");
const news = document.getElementById("news");

// ---- one part: fetched, compared, replaced ----
const flying = new Map();

async function refresh(part) {
  const name = part.dataset.part;
  if (flying.has(name)) { flying.set(name, true); return; }   // once more, after this one
  flying.set(name, false);
  const slow = setTimeout(() => part.setAttribute("aria-busy", "true"), 300);
  try {
    const asked = new URLSearchParams({ region: page.region, about: part.dataset.about ?? "" });
    const answer = await fetch(`/fragments/${name}?${asked}`,
      { headers: { "X-Tab": tab }, credentials: "same-origin" });
    const reader = answer.headers.get("X-Reader");
    if (reader && reader !== page.reader) return signedOut();
    if (!answer.ok) throw new Error(String(answer.status));
    show(part, await answer.text());
  } catch { stale(part); } finally {
    clearTimeout(slow);
    part.removeAttribute("aria-busy");
    const again = flying.get(name);
    flying.delete(name);
    if (again) refresh(part);
  }
}

function canonical(html) {                         // as the browser itself would write it
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  return parsed.innerHTML.trim();
}

function show(part, html, own = false) {
  const name = part.dataset.part;
  part.querySelector(".stale")?.remove();
  html = canonical(html);
  if (html === known.get(name)) return;
  const focus = part.contains(document.activeElement) ? document.activeElement : null;
  if (!own && focus && focus.closest("li, details")) return offer(part, html);
  put(part, html, focus);
}

function put(part, html, focus) {
  const before = new Set([...part.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
  const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
  const typed = [...part.querySelectorAll("[data-typed] :is(input, textarea, select)[id]")].map((one) => [one.id, one.value]);
  known.set(part.dataset.part, html);
  part.innerHTML = html;
  delete part.dataset.failed;
  for (const one of open) document.getElementById(one)?.setAttribute("open", "");
  for (const [field, value] of typed) {            // what was typed is never lost
    const one = document.getElementById(field);
    if (one) { one.value = value; one.form.dataset.typed = ""; }
  }
  if (focus) {
    focusOn(document.getElementById(focus.id) || part, { preventScroll: true });
  }
  const fresh = [...part.querySelectorAll("[data-key]")].filter((row) => !before.has(row.dataset.key));
  for (const row of fresh) row.classList.add("arrived");
  if (part.dataset.part === "matches" && fresh.length) arrived(fresh.length);
  count();
}

function focusOn(one, how) {
  const next = one.dataset.part ? one.querySelector("h3[tabindex], h2") : one;
  if (next?.tagName === "H2") next.tabIndex = -1;
  next?.focus(how);
}

function made(tag, kind, text) {
  return Object.assign(document.createElement(tag), { className: kind, textContent: text });
}

function offer(part, html) {                       // rows never move under the hand
  part.querySelector(".pill")?.remove();
  const pill = made("button", "button pill", words.show);
  pill.onclick = () => put(part, html, pill);
  part.querySelector(".head").append(pill);
}

function stale(part) {
  if (part.querySelector(".stale, [data-retry]")) return;
  const note = made("p", "stale", `${words.stale} `);
  const retry = made("button", "button quiet", words.retry);
  retry.dataset.retry = "";
  note.append(retry);
  part.append(note);
}

function count() {
  const waiting = Number(document.querySelector("[data-waiting]")?.dataset.waiting ?? 0);
  document.title = waiting ? `(${waiting}) ${title}` : title;
}

let unsaid = 0, saidAt = 0;
function arrived(n) {                              // one polite summary at most each 10 s
  unsaid += n;
  const wait = saidAt + 10000 - Date.now();
  if (wait > 0) { clearTimeout(arrived.later); arrived.later = setTimeout(() => arrived(0), wait); return; }
  if (!unsaid) return;
  news.textContent = (unsaid === 1 ? words.arrived_one : words.arrived_other).replace("{n}", unsaid);
  unsaid = 0;
  saidAt = Date.now();
}

const all = () => parts.forEach(refresh);

// ---- decisions: one reply with every part that changed ----
document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  const place = form.closest("[data-part]");
  if (!place || form.method === "get") return;
  event.preventDefault();
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  const told = new FormData(form, button);
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(told),
      headers: { "X-Tab": tab, "X-Live": "1" }, credentials: "same-origin" });
    const reply = new DOMParser().parseFromString(await answer.text(), "text/html");
    const notice = reply.querySelector("[data-notice]");
    if (!notice) return location.assign(answer.redirected ? answer.url : location.href);
    const mend = notice.querySelector("a[href^='#']")?.hash.slice(1);
    if (!notice.querySelector(".bad")) {
      delete form.dataset.typed;
      if (told.has("decision")) form.closest("details")?.removeAttribute("open");
    }
    for (const told of reply.querySelectorAll("[data-part]")) {
      const part = document.getElementById(told.dataset.part);
      if (told.hasAttribute("data-failed")) stale(part); else show(part, told.innerHTML, true);
    }
    document.getElementById("notice").replaceChildren(...notice.childNodes);
    const field = mend && document.getElementById(mend);
    if (field) {
      field.ariaInvalid = "true";
      field.setAttribute("aria-describedby", "problem");
      field.focus();
    } else if (!place.contains(document.activeElement)) {
      focusOn(place);
    }
  } catch {
    const failed = made("p", "notice bad", words.failed);
    failed.setAttribute("role", "alert");
    document.getElementById("notice").replaceChildren(failed);
  } finally { form.removeAttribute("aria-busy"); }
});

document.addEventListener("input", ({ target }) => {
  target.ariaInvalid = null;
  if (target.form) target.form.dataset.typed = "";
});

document.addEventListener("click", (event) => {
  const retry = event.target.closest("[data-retry]");
  if (!retry) return;
  event.preventDefault();
  refresh(retry.closest("[data-part]"));
});

// ---- the connection, told by shape and text ----
let state = "", brokenFor;
function connected(now) {
  if (now === state) return;
  state = now;
  connection.hidden = false;
  connection.className = `connection ${now}`;
  connection.querySelector("[data-text]").textContent = words[now];
  clearTimeout(brokenFor);
  if (now === "live") strip.hidden = true;
  else brokenFor = setTimeout(() => { strip.textContent = words.strip; strip.hidden = false; }, 5000);
}

function signedOut() {
  strip.textContent = words.signed_out;
  strip.hidden = false;
  connected("broken");
  clearTimeout(brokenFor);
}

// ---- signals: one tab hears and tells the others ----
const name = `massakoppi-${page.region}-${page.reader}`;
const channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
let heardAt = Date.now(), opened = false, source = null;

function hear({ kind, from, origin }) {
  heardAt = Date.now();
  if (kind === "here" && !opened) { opened = true; all(); }
  if (kind === "bye") return connected("broken");
  if (kind === "signed-out") return signedOut();
  connected("live");
  if (kind === "hello") { if (opened) all(); opened = true; }
  if (kind === "resync") all();
  if (kind !== "signal") return;
  for (const part of parts) {
    const own = origin === tab && part.dataset.part !== "counts";
    if (!own && part.dataset.from.split(" ").includes(from)) refresh(part);
  }
}

function open() {
  source?.close();
  source = new EventSource(`/events?${new URLSearchParams({ region: page.region, drawn: page.drawn })}`);
  for (const kind of ["hello", "beat", "signal", "resync", "bye", "signed-out"]) {
    source.addEventListener(kind, (event) => {
      const told = { kind, ...JSON.parse(event.data) };
      channel?.postMessage(told);
      hear(told);
      if (kind === "signed-out") source.close();
    });
  }
  source.onerror = () => { channel?.postMessage({ kind: "bye" }); connected("broken"); };
}

function lead(steal = false) {
  if (!navigator.locks || !channel) return open();
  navigator.locks.request(name, { steal }, () => { open(); return new Promise(() => {}); })
    .catch(() => { source?.close(); source = null; lead(); });      // another tab took over
}

if (channel) channel.onmessage = (event) => {
  if (event.data.kind === "hello?") { if (source && state === "live") channel.postMessage({ kind: "here" }); return; }
  hear(event.data);
};
setInterval(() => {
  if (Date.now() - heardAt < silence) return;
  connected("broken");
  heardAt = Date.now();
  if (source) open(); else lead(true);
}, Math.max(beat / 3, 200));
function again(part) {                             // what tells no news is asked by the clock
  const every = part.querySelector("[data-every]")?.dataset.every;
  if (every) setTimeout(() => { if (!document.hidden) refresh(part); again(part); }, every * 1000);
}
parts.forEach(again);

connected("connecting");
count();
lead();
channel?.postMessage({ kind: "hello?" });
