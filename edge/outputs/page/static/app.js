// What the page shows. Nothing here decides: words and figures come from the cart.
import { Graph } from "./graph.js";
import { Live } from "./live.js";
import { Region, lay } from "./region.js";

const STALE_MS = 1000, CHANGING_MS = 500, LOGGED = 200;
const byId = (id) => document.getElementById(id);
const canvas = byId("picture"), context = canvas.getContext("2d", { alpha: false });
const latency = new Graph(byId("latency"), "Latency", "ms", "#56b4e9");
const drops = new Graph(byId("drops"), "Dropped pictures", "a second", "#e69f00");
const now = { status: null, hello: null, picture: 0, hiding: false, frozen: null, event: 0, dropped: null, hung: "" };

const text = (id, words) => { const part = byId(id); if (part.textContent !== words) part.textContent = words; };
const percent = (value, digits = 0) => (100 * value).toFixed(digits);

const live = new Live({
  hello(hello) {
    now.hello = hello;
    document.body.dataset.operator = hello.operator;
    for (const part of document.querySelectorAll(".operator")) part.disabled = !hello.operator;
    text("model", `${hello.model}, ${hello.precision}`);
    text("bundle", hello.bundle);
    byId("point").replaceChildren(...hello.points.map((point) => new Option(point.name, point.name)));
    byId("grades").replaceChildren(...hello.grades.map((grade) => {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = grade; button.dataset.grade = grade;
      button.disabled = !hello.operator;
      button.addEventListener("click", () => live.order({ grade }));
      return button;
    }));
    byId("enter").hidden = hello.operator;
  },
  picture(status, bitmap) {
    now.picture = performance.now();
    now.hung = "";
    link("live", status.record.state, "");
    if (!now.frozen) paint(bitmap);
    bitmap.close();
    hear(status);
    latency.add(status.latency_ms);
    drops.add(now.dropped === null ? 0 : status.dropped - now.dropped);
    now.dropped = status.dropped;
  },
  status(status) { now.hung = ""; hear(status); },
  hung(seconds) { now.hung = `the cart has not answered for ${Math.round(seconds)} s`; },
  error(words) { complain(words); },
  closed: knock,
});

function hear(status) {
  const before = now.status;
  now.status = status;
  if (status.hidden) now.hiding = false;
  if (!now.frozen) estimate(status.record, status);
  text("words", status.record.state);
  text("threshold", `${percent(status.threshold, 1)} %`);
  const point = now.hello && now.hello.points.find((one) => one.name === status.point);
  const known = point && point.sensitivity !== undefined;
  text("sensitivity", known ? `${percent(point.sensitivity)} % of ${point.malignant}` : "not in this bundle");
  text("specificity", known ? `${percent(point.specificity)} % of ${point.benign}` : "not in this bundle");
  const unknown = known ? "give a prevalence" : "–";
  text("ppv", status.ppv === null ? unknown : `${percent(status.ppv)} %`);
  text("npv", status.npv === null ? unknown : `${percent(status.npv)} %`);
  text("fps", `${status.fps.toFixed(0)} a second, ${status.width}×${status.height}`);
  text("dropped", String(status.dropped));
  text("viewers", String(status.viewers));
  text("recording", status.recording_refused || status.recording_text || (status.recording ? "on" : "off"));
  press("hide", status.hidden);
  press("record", status.recording);
  byId("record").disabled = !(now.hello && now.hello.operator) || status.recording_refused !== null;
  byId("whole").disabled = !(now.hello && now.hello.operator) || !status.chosen;
  byId("unmark").disabled = !(now.hello && now.hello.operator) || !status.marked;
  settle("featured", status.features_shown);
  settle("heat", status.heatmap);
  text("size", status.size);
  text("flag", now.hiding || now.frozen ? "" : status.contradiction || "");
  list(status.features);
  strip(status.best);
  settle("reader", status.second_reader);
  byId("grading").hidden = !status.second_reader;
  for (const button of byId("grades").children) {
    const chosen = button.dataset.grade === status.grade;
    if (button.getAttribute("aria-pressed") !== String(chosen)) button.setAttribute("aria-pressed", chosen);
  }
  settle("point", status.point);
  settle("prevalence", status.prevalence === null ? "" : String(+percent(status.prevalence, 1)));
  settle("panel", status.moved ? "own" : "auto");
  if (!before || before.events !== status.events) log();
  cover();
}

function list(features) {
  const rows = byId("features");
  while (rows.children.length > features.length) rows.lastChild.remove();
  features.forEach(([name, value], i) => {
    let row = rows.children[i];
    if (!row) {
      row = document.createElement("div");
      row.append(document.createElement("dt"), document.createElement("dd"));
      rows.append(row);
    }
    if (row.firstChild.textContent !== name) row.firstChild.textContent = name;
    if (row.lastChild.textContent !== value) row.lastChild.textContent = value;
  });
}

// The best pictures of the lesion; each with the risk of that picture alone.
function strip(best) {
  const part = byId("best"), key = JSON.stringify(best);
  if (part.dataset.key === key) return;
  part.dataset.key = key;
  part.replaceChildren(...best.map(([sequence, risk]) => {
    const figure = document.createElement("figure"), picture = document.createElement("img"), words = document.createElement("figcaption");
    picture.src = `/best/${sequence}.jpg`;
    words.textContent = risk === null ? "–" : `${percent(risk)} %`;
    picture.alt = `Picture ${sequence}, risk ${words.textContent}`;
    figure.append(picture, words);
    return figure;
  }));
}

// What a picture is worth. `status` is that of the newest picture, also where an older one is shown.
function estimate(record, status) {
  const known = record.risk !== null && !now.hiding;
  const above = known && record.risk >= status.threshold;
  const side = above ? "above" : "below";
  text("risk", known ? `${percent(record.risk)} %` : "withheld");
  byId("risk").className = known ? "" : "withheld";
  text("range", known ? `${percent(record.low)} to ${percent(record.high)} %${status.n ? `, ${status.n} frame${status.n === 1 ? "" : "s"}` : ""}`
    : now.hiding ? "hidden by the operator" : record.reason || "");
  text("category", known ? `${above ? "▲" : "▼"} ${side} threshold` : "");
  byId("category").className = side;
  byId("interval").setAttribute("class", side);
  byId("interval").setAttribute("x", known ? 100 * record.low : 0);
  byId("interval").setAttribute("width", known ? Math.max(1, 100 * (record.high - record.low)) : 0);
  byId("needle").setAttribute("x", known ? 100 * record.risk - 0.4 : -2);
  byId("notch").setAttribute("x", 100 * status.threshold - 0.25);
  text("age", known && record.age_ms !== null ? `age ${Math.round(record.age_ms)} ms` : "");
}

function withhold(words) {
  link("stale", "no picture", words);
  text("risk", "withheld");
  byId("risk").className = "withheld";
  text("range", words);
  for (const id of ["category", "age", "flag"]) text(id, "");
  text("size", "no picture");
  list([]);
  byId("interval").setAttribute("width", 0);
  byId("needle").setAttribute("x", -2);
}

function link(state, words, veil) {
  if (document.body.dataset.link !== state) document.body.dataset.link = state;
  text("words", words);
  byId("veil").hidden = !veil;
  text("veil", veil);
}

function press(id, on) {
  if (byId(id).getAttribute("aria-pressed") !== String(on)) byId(id).setAttribute("aria-pressed", on);
}

// Shows the cart's value unless the operator is just changing it: what is on its way is older than that.
const changed = {};
addEventListener("change", (event) => { changed[event.target.id] = performance.now(); }, true);
function settle(id, value) {
  const part = byId(id), key = part.type === "checkbox" ? "checked" : "value";
  if (performance.now() - (changed[id] || -CHANGING_MS) < CHANGING_MS) return;
  if ((key === "checked" || document.activeElement !== part) && part[key] !== value) part[key] = value;
}

function complain(words) {
  text("notice", words);
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => text("notice", ""), 8000);
}

function paint(bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
}

// Hides the panel at once; the next pictures come without the figure.
function cover() {
  const panel = now.hiding && !now.frozen && live.view === "annotated" && now.status && now.status.panel;
  byId("cover").hidden = !panel;
  if (panel) lay(byId("cover"), canvas, panel);
}

function hide() {
  const on = !now.status.hidden;
  now.hiding = on;
  live.order({ hidden: on });
  estimate(now.status.record, now.status);
  press("hide", on);
  cover();
}

let drawn = "lesion"; // or "field": what the box stands for
const region = new Region(canvas, byId("box"), (rect) => live.order(drawn === "lesion" ? { lesion: rect } : { roi: rect }));
function editRegion(what) {
  const { status } = now;
  if (what) drawn = what;
  const rect = what === "lesion" ? status.lesion : what === "field" ? status.region : null;
  region.edit(what !== null, rect || (status.region && shrunk(status.region)));
  byId("box").setAttribute("aria-label", `Box around the ${drawn}. Arrow keys move it, Shift and arrow keys change its size, Escape ends.`);
  press("lesion", what === "lesion");
  press("field", what === "field");
}

// The middle of a box, to begin a lesion's box with.
const shrunk = ([x, y, width, height]) => [x + (width >> 2), y + (height >> 2), width >> 1, height >> 1];

// The panel can be dragged where it disturbs least.
let dragged = null;
canvas.addEventListener("pointerdown", (event) => {
  if (region.editing || !now.status || !now.status.panel || !now.hello.operator || live.view !== "annotated") return;
  const [x, y] = region.at(event), [left, top, width, height] = now.status.panel;
  if (x < left || y < top || x > left + width || y > top + height) return;
  canvas.setPointerCapture(event.pointerId);
  dragged = { dx: x - left, dy: y - top, from: [x, y] };
});
canvas.addEventListener("pointerup", (event) => {
  if (!dragged) return;
  const [x, y] = region.at(event), far = Math.abs(x - dragged.from[0]) + Math.abs(y - dragged.from[1]) > 8;
  if (far) movePanel(x - dragged.dx, y - dragged.dy);
  dragged = null;
});
canvas.addEventListener("pointercancel", () => { dragged = null; });

function movePanel(x, y) {
  const within = (value, size) => Math.min(Math.max(Math.round(value), 0), size - 1);
  live.order({ place: [within(x, canvas.width), within(y, canvas.height)] });
}

byId("panel").addEventListener("change", (event) => {
  const value = event.target.value, margin = Math.round(canvas.height / 60);
  if (value === "auto") live.order({ place: null });
  else {
    const [, , width, height] = now.status.panel;
    movePanel(value[1] === "l" ? margin : canvas.width - width - margin,
      value[0] === "t" ? margin : canvas.height - height - margin);
  }
});

async function freeze() {
  if (now.frozen) {
    now.frozen = null;
    byId("then").hidden = true;
  } else {
    const answer = await fetch("/past");
    if (!answer.ok) { complain((await answer.text()).trim()); return; }
    const past = await answer.json();
    now.frozen = { past, at: past.length };
    text("then", "frozen: this is not live");
    byId("then").hidden = false;
  }
  press("freeze", now.frozen !== null);
  steppable();
}

function steppable() {
  byId("back").disabled = !now.frozen || now.frozen.at <= 0;
  byId("forth").disabled = !now.frozen || now.frozen.at >= now.frozen.past.length - 1;
}

async function step(by) {
  if (!now.frozen) return;
  const frozen = now.frozen, at = frozen.at + by;
  if (at < 0 || at >= frozen.past.length) return;
  frozen.at = at;
  const { number, record } = frozen.past[at];
  const answer = await fetch(`/past/${number}.jpg`);
  if (!answer.ok) { complain("this picture is not kept any more"); return; }
  const bitmap = await createImageBitmap(await answer.blob());
  if (now.frozen === frozen && frozen.at === at) {
    paint(bitmap);
    const newest = frozen.past[frozen.past.length - 1].record.captured_ns;
    text("then", `frozen: picture ${at + 1} of ${frozen.past.length}, ${((newest - record.captured_ns) / 1e9).toFixed(1)} s before the last`);
    estimate({ ...record, ...concealed(record) }, { ...now.status, n: 0 });
  }
  bitmap.close();
  steppable();
}

// What must not be seen now must not be seen in an older picture either.
function concealed(record) {
  const hidden = now.status.hidden || (now.status.second_reader && now.status.grade === null);
  return hidden ? { risk: null, reason: now.status.record.reason } : record;
}

async function snapshot() {
  const answer = await fetch(`/snapshot.jpg?view=${live.view}`);
  if (!answer.ok) { complain((await answer.text()).trim()); return; }
  const file = document.createElement("a");
  file.href = URL.createObjectURL(await answer.blob());
  file.download = `sonocart-${new Date().toISOString().replace(/[:.]/g, "-")}.jpg`;
  file.click();
  setTimeout(() => URL.revokeObjectURL(file.href), 10000);
  live.order({ snapshot: true });
}

async function log() {
  if (log.busy) return;
  log.busy = true;
  try {
    const answer = await fetch(`/events?after=${now.event}`);
    if (!answer.ok) return;
    for (const event of await answer.json()) {
      now.event = Math.max(now.event, event.number);
      const line = document.createElement("li"), time = document.createElement("time");
      time.dateTime = event.utc;
      time.textContent = new Date(event.utc).toLocaleTimeString();
      line.append(time, ` ${event.text}`);
      line.dataset.kind = event.kind;
      byId("log").prepend(line);
    }
    while (byId("log").children.length > LOGGED) byId("log").lastChild.remove();
  } finally { log.busy = false; }
}

// The line is gone: because the cart is, or because this visitor has not said who it is.
async function knock() {
  now.event = 0;
  byId("log").replaceChildren();
  try {
    const { role } = await (await fetch("/role")).json();
    if (role === "anybody" && !byId("login").open) byId("login").showModal();
  } catch { /* the cart is away; it is tried again */ }
}

async function enter(token) {
  const answer = await fetch("/login", { method: "POST", body: token });
  if (!answer.ok) { text("refused", (await answer.text()).trim()); return; }
  text("refused", "");
  byId("token").value = "";
  byId("login").close();
  live.look(live.view);
}

byId("login").addEventListener("submit", (event) => { event.preventDefault(); enter(byId("token").value); });
byId("enter").addEventListener("click", () => byId("login").showModal());
for (const what of ["lesion", "field"]) {
  byId(what).addEventListener("click", () => editRegion(region.editing && drawn === what ? null : what));
}
byId("unmark").addEventListener("click", () => { editRegion(null); live.order({ lesion: null }); });
byId("whole").addEventListener("click", () => { editRegion(null); live.order({ roi: null }); });
byId("featured").addEventListener("change", (event) => live.order({ features: event.target.checked }));
byId("heat").addEventListener("change", (event) => live.order({ heatmap: event.target.checked }));
byId("view").addEventListener("change", (event) => live.look(event.target.value));
byId("point").addEventListener("change", (event) => live.order({ point: event.target.value }));
byId("prevalence").addEventListener("change", (event) =>
  live.order({ prevalence: event.target.value === "" ? null : Number(event.target.value) / 100 }));
byId("reader").addEventListener("change", (event) => live.order({ second_reader: event.target.checked, grade: null }));
byId("case").addEventListener("click", () => live.order({ grade: null }));
byId("hide").addEventListener("click", hide);
byId("freeze").addEventListener("click", freeze);
byId("back").addEventListener("click", () => step(-1));
byId("forth").addEventListener("click", () => step(1));
byId("snapshot").addEventListener("click", snapshot);
byId("record").addEventListener("click", () => live.order({ recording: !now.status.recording }));
byId("mark").addEventListener("click", () => live.order({ mark: `mark at ${new Date().toLocaleTimeString()}` }));

const KEYS = { h: "hide", f: "freeze", s: "snapshot", r: "record", m: "mark" };
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && region.editing) { editRegion(null); byId(drawn).focus(); }
  if (event.ctrlKey || event.metaKey || event.altKey || !byId("keys").checked) return;
  if (["INPUT", "SELECT"].includes(event.target.tagName) && event.target.type !== "checkbox") return;
  const button = byId(KEYS[event.key.toLowerCase()] || "");
  if (button && !button.disabled) button.click();
  if (now.frozen && event.target !== byId("box")) {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  }
});

setInterval(() => {
  const age = performance.now() - now.picture;
  if (age < STALE_MS) return;
  withhold(now.hung || (now.picture ? `no picture for ${Math.floor(age / 1000)} s` : "waiting for the first picture"));
}, 200);

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  history.replaceState(null, "", location.pathname); // a token must not stay in the address bar
  await enter(given);
}
if (!live.socket) live.connect();
